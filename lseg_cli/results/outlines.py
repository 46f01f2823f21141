"""Masks as outlines: GeoJSON in pixels, LabelMe's JSON to be corrected by hand, YOLO's segmentation text.

Outlines run through the centres of the pixels at the border, as OpenCV follows them; a polygon drawn with its outline,
as LabelMe draws it, covers the same pixels again.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.film_frame import FilmFrame
from lseg_cli.data.labels import Label, LabelSet
from lseg_cli.data.store import Address, Place

Ids = NDArray[np.uint8] | NDArray[np.uint16]
Ring = list[list[int]]  # x and y of each corner, in pixels from the upper left one; the last is not the first again

_LABELME_VERSION = "5.4.1"  # whose files these are like


@dataclass(frozen=True)
class Outline:
    """One connected part of a label.

    Attributes:
        label: whose it is.
        outer: its border.
        holes: borders of what it surrounds and does not cover.
        area: in pixels.
    """

    label: Label
    outer: Ring
    holes: tuple[Ring, ...]
    area: int


def outlines(ids: Ids, labels: LabelSet) -> Iterator[Outline]:
    """Find the connected parts of every label, label by label; pixels with the ignore id are no part of any.

    Args:
        ids: (H, W) of the labels.
        labels: of the mask.
    """
    for label in labels.labels:
        here = (ids == label.id).astype(np.uint8)
        if not here.any():
            continue
        found, tree = cv2.findContours(here, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        for index, (_, _, child, parent) in enumerate(tree[0].tolist()):
            if parent >= 0:
                continue
            holes, hole = [], child
            while hole >= 0:
                holes.append(_ring(found[hole]))
                hole = tree[0][hole][0]
            yield Outline(label, _ring(found[index]), tuple(holes), _area(found[index], here))


def write_geojson(path: Path, ids: Ids, labels: LabelSet) -> None:
    """Write a FeatureCollection: a polygon with holes for each part, in pixels, y down; rings end where they began."""
    features = [
        {
            "type": "Feature",
            "properties": {"label": part.label.name, "id": part.label.id, "area_px": part.area},
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in (part.outer, *part.holes)]},
        }
        for part in outlines(ids, labels)
    ]
    _write(path, {"type": "FeatureCollection", "features": features})


def write_labelme(path: Path, ids: Ids, labels: LabelSet, source: Place | FilmFrame) -> None:
    """Write what LabelMe opens: polygons from the largest to the smallest, for it paints later ones over earlier.

    Args:
        path: to write to.
        ids: (H, W) of the labels.
        labels: of the mask.
        source: the picture, named by its whole path: LabelMe looks beside its own file else.
    """
    parts = sorted(outlines(ids, labels), key=lambda part: -part.area)
    shapes: list[dict[str, Any]] = [
        {"label": part.label.name, "points": part.outer, "group_id": None, "shape_type": "polygon", "flags": {}}
        for part in parts
    ]
    picture = str(source) if isinstance(source, Address) else str(Path(source).absolute())
    height, width = ids.shape
    size = {"imageHeight": height, "imageWidth": width}
    head: dict[str, Any] = {"version": _LABELME_VERSION, "flags": {}, "imagePath": picture, "imageData": None}
    _write(path, {**head, **size, "shapes": shapes})


def write_yolo(path: Path, ids: Ids, labels: LabelSet) -> None:
    """Write a line for each part: the label's position, then x and y of its border in shares of the picture.

    YOLO has no holes: they are covered.
    """
    height, width = ids.shape
    positions = {label.id: index for index, label in enumerate(labels.labels)}
    lines = []
    for part in outlines(ids, labels):
        if len(part.outer) < 3:
            continue
        corners = (f"{(x + 0.5) / width:.6f} {(y + 0.5) / height:.6f}" for x, y in part.outer)
        lines.append(f"{positions[part.label.id]} {' '.join(corners)}\n")
    path.write_text("".join(lines), "utf-8")


def _ring(contour: NDArray[np.int32]) -> Ring:
    ring: Ring = contour[:, 0].tolist()
    return ring


def _area(contour: NDArray[np.int32], here: NDArray[np.uint8]) -> int:
    """Pixels of the label within a border; of parts inside its holes too, which are rare and small."""
    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [contour - [left, top]], -1, 1, cv2.FILLED)
    return int((inside & here[top : top + height, left : left + width]).sum())


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False), "utf-8", errors="backslashreplace")
