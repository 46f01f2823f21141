"""COCO's polygons: along the edges of pixels, so that they cover exactly the pixels of the mask again.

COCO's polygons have no holes. A part with holes is cut through them until none is left; its polygons, which lie side
by side, cover it together.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.labels import LabelSet
from lseg_cli.results.formats import Ids, first_category

Bits = NDArray[np.uint8]


def write_polygons(path: Path, ids: Ids, labels: LabelSet) -> None:
    """Write a list of annotations: polygons, area and box of each connected part of each label, in pixels."""
    path.write_text(json.dumps(list(_annotations(ids, labels))), "utf-8")


def connected_parts(ids: Ids, labels: LabelSet) -> Iterator[tuple[int, Bits, tuple[int, int]]]:
    """Find the parts of every label that hang together by the sides of pixels, label by label.

    Args:
        ids: (H, W) of the labels.
        labels: of the mask.

    Yields:
        The position of the label, (h, w) of the part as 0 and 1, and x and y of its upper left pixel.
    """
    for position, label in enumerate(labels.labels):
        here = (ids == label.id).astype(np.uint8)
        count, part, facts, _ = cv2.connectedComponentsWithStats(here, connectivity=4)
        for number in range(1, count):
            left, top, width, height = facts[number, :4].tolist()
            bits = part[top : top + height, left : left + width] == number
            yield position, bits.astype(np.uint8), (left, top)


def _annotations(ids: Ids, labels: LabelSet) -> Iterator[dict[str, Any]]:
    for position, bits, (left, top) in connected_parts(ids, labels):
        height, width = bits.shape
        corner = np.array((left, top), np.int32)
        yield {
            "category_id": labels.labels[position].id + first_category(labels),
            "area": int(bits.sum()),
            "bbox": [left, top, width, height],
            "segmentation": [(ring + corner).ravel().tolist() for ring in _rings(bits)],
        }


def _rings(bits: Bits) -> Iterator[NDArray[np.int32]]:
    """(P, 2) x and y of the corners of polygons without holes that cover these pixels and no others."""
    # Of pixels twice as large every border pixel is the quarter of one that touches a certain corner of it.
    twice = np.repeat(np.repeat(bits, 2, 0), 2, 1)
    contours, tree = cv2.findContours(twice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    holes = [contour for contour, (_, _, _, parent) in zip(contours, tree[0].tolist(), strict=True) if parent >= 0]
    if not holes:
        for contour in contours:
            yield _corners(((contour[:, 0] + 1) // 2).astype(np.int32))
        return
    middles = sorted((int(hole[..., 0].min()) + int(hole[..., 0].max()) + 1) // 4 for hole in holes)
    cut = middles[len(middles) // 2]  # of the middle hole, so that few cuts are needed
    for part, shift in ((bits[:, :cut], 0), (bits[:, cut:], cut)):
        if part.any():
            for ring in _rings(np.ascontiguousarray(part)):
                yield ring + np.array((shift, 0), np.int32)


def _corners(ring: NDArray[np.int32]) -> NDArray[np.int32]:
    """A ring without points that are there twice or lie between two others."""
    ring = ring[(ring != np.roll(ring, 1, 0)).any(1)]
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    corners: NDArray[np.int32] = ring[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]
    return corners
