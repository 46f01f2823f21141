"""A small overlay of a picture of an output folder, from what is still there: overlay, picture and mask, or mask."""

import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.films import frame_at
from lseg_cli.data.images import PictureError, any_size, open_image, resized
from lseg_cli.data.labels import LabelSet
from lseg_cli.drawing.overlay import Color, Ids, tint
from lseg_cli.drawing.picture_file import encode_picture
from lseg_cli.errors import MissingError
from lseg_cli.results.records import Stamp
from lseg_cli.results.report import Picture

SIDE_PX = 320  # of the longer one


class Thumbnail(NamedTuple):
    """A JPEG file, and what it was made of."""

    jpeg: bytes
    kind: Literal["overlay", "mask"]


def make_thumbnail(folder: Path, picture: Picture, labels: LabelSet, colors: list[Color]) -> Thumbnail | None:
    """Return a thumbnail of at most 320 pixels, of the mask alone if the picture is gone or changed; None without one.

    Args:
        folder: of the output.
        picture: of it.
        labels: what the ids of its mask mean.
        colors: of the labels, in order.
    """
    scale = min(1.0, SIDE_PX / max(picture.height_px, picture.width_px))
    size = max(1, round(picture.height_px * scale)), max(1, round(picture.width_px * scale))
    saved = _saved_overlay(folder, picture, size)
    if saved is not None:
        return Thumbnail(_jpeg(saved), "overlay")
    ids = _mask(folder, picture.mask, size)
    if ids is None:
        return None
    ids = np.minimum(ids, labels.ignore_id)
    source = _source(picture, size)
    if source is not None:
        return Thumbnail(_jpeg(tint(source, ids, labels, colors)), "overlay")
    table = np.full((labels.ignore_id + 1, 3), 255, np.uint8)
    table[list(labels.ids)] = colors
    return Thumbnail(_jpeg(table[ids]), "mask")


def _saved_overlay(folder: Path, picture: Picture, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Without its legend, which would be too small to read."""
    image = _open(folder, picture.overlay, "RGB")
    if image is None or image.width < picture.width_px or image.height < picture.height_px:
        return None
    left = (image.width - picture.width_px) // 2
    box = (left, 0, left + picture.width_px, picture.height_px)
    return np.asarray(image.resize(size[::-1], Image.Resampling.BOX, box))


def _mask(folder: Path, name: str, size: tuple[int, int]) -> Ids | None:
    """(h, w) ids; None where there is no mask."""
    image = _open(folder, name, "P", "L", "I;16", "I")
    if image is None:
        return None
    ids = np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST))
    return ids.astype(np.uint8) if ids.dtype.itemsize == 1 else ids.astype(np.uint16)


def _open(folder: Path, name: str, *modes: str) -> Image.Image | None:
    """A picture of the folder if it is there, whole, and of one of the modes."""
    path = Path(os.path.normpath(folder / name))
    if not name or not path.is_relative_to(os.path.normpath(folder)):
        return None
    try:
        with any_size(), Image.open(path, formats=("PNG", "JPEG")) as image:
            image.load()
            return image if image.mode in modes else None
    except Exception:  # whatever Pillow's readers stumble over: then it is not there
        return None


def _source(picture: Picture, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """(h, w, 3); None where it is gone, not what was segmented, or in a store: a report is made without network."""
    path = picture.file.path or picture.source
    try:
        frame = frame_at(path)
        if Stamp.of(frame or Path(path)) != picture.file:
            return None
        image = frame.film.read(frame.index) if frame is not None else open_image(Path(path))
    except (PictureError, MissingError):
        return None
    return resized(image, *size) if image.size == (picture.width_px, picture.height_px) else None


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return encode_picture(Image.fromarray(pixels), "JPEG", 80)
