"""A contact sheet: a few pictures of a data set under the colours of their masks, each above its legend."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lseg_cli.data.labels import LabelSet
from lseg_cli.data.masks import Ids
from lseg_cli.drawing.fonts import drawn
from lseg_cli.drawing.overlay import draw_overlay
from lseg_cli.drawing.palette import colors
from lseg_cli.drawing.picture_file import write_picture
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic

_TILE_PX, _GAP_PX, _TITLE_PX, _FONT_PX = 400, 16, 26, 14
_COLUMNS = 3
_PAPER, _INK = (255, 255, 255), (28, 28, 30)
_FORMATS: dict[str, Literal["PNG", "JPEG"]] = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


@dataclass(frozen=True)
class Sample:
    """A picture of a data set, its mask, and what that means."""

    title: str
    picture: NDArray[np.uint8]  # (H, W, 3)
    ids: Ids  # (H, W)
    classes: tuple[str, ...]
    ignore: int


def sheet_format(path: Path) -> Literal["PNG", "JPEG"]:
    """Pillow's name of the format that a file's name asks for.

    Raises:
        LsegError: it asks for another.
    """
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise LsegError(f"{path} can be no contact sheet: name it .jpg or .png.") from None


def write_sheet(samples: Sequence[Sample], path: Path) -> None:
    """Draws and writes a contact sheet; raises LsegError if it cannot be written."""
    kind = sheet_format(path)
    sheet = draw_sheet(samples)
    with atomic(path) as draft:
        write_picture(draft, sheet, kind)


def draw_sheet(samples: Sequence[Sample]) -> Image.Image:
    """Samples in rows of three, all as wide as each other."""
    tiles = [_tile(sample) for sample in samples]
    rows = [tiles[start : start + _COLUMNS] for start in range(0, len(tiles), _COLUMNS)]
    heights = [max(tile.height for tile in row) for row in rows]
    columns = min(_COLUMNS, len(tiles))
    size = (columns * (_TILE_PX + _GAP_PX) + _GAP_PX, sum(heights) + _GAP_PX * (len(rows) + 1))
    sheet = Image.new("RGB", size, _PAPER)
    top = _GAP_PX
    for row, height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            sheet.paste(tile, (_GAP_PX + column * (_TILE_PX + _GAP_PX), top))
        top += height + _GAP_PX
    return sheet


def _tile(sample: Sample) -> Image.Image:
    labels = LabelSet.of(sample.classes)
    height, width = sample.ids.shape
    size = (_TILE_PX, max(1, round(height * _TILE_PX / width)))
    is_smaller = size[0] < width
    picture = cv2.resize(sample.picture, size, interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR)
    ids = cv2.resize(sample.ids.astype(np.uint16), size, interpolation=cv2.INTER_NEAREST)
    ids[ids == sample.ignore] = labels.ignore_id
    overlay = draw_overlay(np.asarray(picture, np.uint8), np.asarray(ids, np.uint16), labels, colors(labels))
    tile = Image.new("RGB", (_TILE_PX, overlay.height + _TITLE_PX), _PAPER)
    tile.paste(overlay, (0, _TITLE_PX))
    title, font = drawn(sample.title, "?", _FONT_PX)
    ImageDraw.Draw(tile).text((0, _TITLE_PX // 2), title, fill=_INK, font=font, anchor="lm")
    return tile
