"""Areas that people drew, painted into one mask of class ids: the later one is on top, as in the tools themselves."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

MOST_CLASSES = 255  # ids of 8 bits, and one that is ignored
IGNORE = 255
_FAR_PX = 2**20  # corners further outside than this are drawn in
Points = NDArray[np.float64]  # (P, 2) x and y in pixels; the first pixel's centre is (0.5, 0.5)
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Area:
    """One area of one class.

    Attributes:
        label: the class's name.
        outer: polygons whose union it is.
        holes: polygons that are cut out of it.
        bits: (h, w) instead of polygons.
        corner: x and y of the upper left pixel of `bits`.
    """

    label: str
    outer: tuple[Points, ...] = ()
    holes: tuple[Points, ...] = ()
    bits: Bits | None = None
    corner: tuple[int, int] = (0, 0)

    def cover(self, height_px: int, width_px: int) -> Bits:
        """Return the (H, W) pixels that it covers; what lies outside the picture is cut off."""
        canvas = Image.new("1", (width_px, height_px))
        draw = ImageDraw.Draw(canvas)  # with an outline, as LabelMe and the scripts of Cityscapes and IDD draw
        for fill, polygons in ((1, self.outer), (0, self.holes)):
            for corners in polygons:
                draw.polygon(
                    [(x, y) for x, y in corners.clip(-_FAR_PX, _FAR_PX).round(3).tolist()], fill=fill, outline=fill
                )
        covered = np.array(canvas)
        if self.bits is not None:
            _paste(covered, self.bits, *self.corner)
        return covered


def png_bits(data: bytes) -> Bits:
    """Return (h, w) of a PNG that a tool stores for an area: where it is opaque, or else where it is not black."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as mask:
        bits: Bits = np.asarray(mask.getchannel("A") if "A" in mask.getbands() else mask.convert("L")) > 0
    return bits


@dataclass(frozen=True)
class Painted:
    """A mask made of areas.

    Attributes:
        ids: (H, W) uint8.
        hidden: pixels of areas that lie below another class's: a mask has one class a pixel.
        lost: areas of which nothing can be seen.
    """

    ids: NDArray[np.uint8]
    hidden: int
    lost: int


def paint(areas: Sequence[Area], size: tuple[int, int], ids: dict[str, int], ground: int) -> Painted:
    """Paint areas one over the other.

    Args:
        areas: the last one is on top.
        size: height and width in px.
        ids: of each class by its name.
        ground: the id where no area is.

    Returns:
        The mask, and what could not be kept.
    """
    mask = np.full(size, ground, np.uint8)
    is_taken = np.zeros(size, bool)
    hidden = lost = 0
    for area in areas:
        covered = area.cover(*size)
        class_id = ids[area.label]
        hidden += int((is_taken & covered & (mask != class_id)).sum())
        lost += not covered.any()
        mask[covered] = class_id
        is_taken |= covered
    return Painted(mask, hidden, lost)


def polygon(values: Iterable[float]) -> Points:
    """Return flat coordinates x1, y1, x2, y2, ... as (P, 2); an odd one at the end is dropped."""
    flat = np.fromiter((float(value) for value in values), np.float64)
    return flat[: len(flat) // 2 * 2].reshape(-1, 2)


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the four corners, in px."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def ellipse(x: float, y: float, radius_x: float, radius_y: float) -> Points:
    """Return a polygon of 64 corners around (x, y), in px."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([x + radius_x * np.cos(angle), y + radius_y * np.sin(angle)], 1)


def unpack_runs(runs: Sequence[int], height_px: int, width_px: int) -> Bits:
    """Return (h, w) of run lengths row by row, the first one of pixels that are not covered.

    Raises:
        ValueError: the runs are longer than the picture, or negative.
    """
    lengths = np.asarray(runs, np.int64)
    total = height_px * width_px
    if (lengths < 0).any() or lengths.sum() > total:
        raise ValueError(f"its run lengths cover {lengths.sum()} pixels, the picture has {total}")
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return np.pad(values, (0, total - len(values))).reshape(height_px, width_px)


def _paste(target: Bits, bits: Bits, x: int, y: int) -> None:
    height, width = target.shape
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + bits.shape[0], height), min(x + bits.shape[1], width)
    if top < bottom and left < right:
        target[top:bottom, left:right] |= bits[top - y : bottom - y, left - x : right - x]
