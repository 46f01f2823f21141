"""Masks from files: raw values of one channel, looked up to ids. A palette is never turned into colours.

Other encodings (colours of COCO-Panoptic, polygons of IDD) lie with the data set that has them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.decoding import PictureError, open_stored
from lseg_cli.errors import DataError

IGNORE = 255  # the id that the known data sets ignore

Ids = NDArray[np.uint8] | NDArray[np.int16]  # int16 only where a set has more than 255 classes
Decode = Callable[[Path], Ids]  # the file of a mask -> (H, W) ids


def read_mask(path: Path) -> NDArray[np.uint8]:
    """(H, W) uint8, as stored: a palette is not looked up; of 1 bit, 0 and 1.

    Raises:
        DataError: it cannot be read, or holds something else than ids, with what to do.
    """
    image = _opened(path)
    if image.format == "JPEG":
        raise DataError(
            f"{path} is a JPEG, which changes ids where labels meet; save masks as PNG, or make ids of it "
            "with lseg data import --from binary (black and white) or colours."
        )
    ids = np.asarray(image)
    if image.mode == "1":
        ids = ids.astype(np.uint8)
    if ids.ndim != 2 or ids.dtype != np.uint8:
        advice = "lseg data import makes ids of colours" if ids.ndim == 3 else "save them with 8 bits"
        raise DataError(
            f"{path} is not an index mask: it holds {ids.dtype} {ids.shape}; ids are one 8-bit channel; {advice}."
        )
    return ids


def read_colours(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of a mask whose colours are numbers."""
    return np.asarray(_opened(path).convert("RGB"))


def read_grey(path: Path) -> NDArray[np.uint8]:
    """(H, W) uint8: the brightness of a mask that is black and white, however it is stored."""
    return np.asarray(_opened(path).convert("L"))


def _opened(path: Path) -> Image.Image:
    try:
        return open_stored(path)
    except PictureError as error:
        raise DataError(f"{path} cannot be read as a mask: it {str(error).removeprefix(f'{path} ')}") from error


@dataclass(frozen=True)
class IndexMask:
    """One 8-bit channel, grey or the indices of a palette; each raw value has its id."""

    table: tuple[int, ...] = ()  # by raw value: its id, or -1 for none; empty: raw values are the ids

    @classmethod
    def of(cls, ids: Mapping[int, int]) -> "IndexMask":
        """A lookup of raw values; those not named have no label."""
        return cls(tuple(ids.get(raw, -1) for raw in range(256)))

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """(H, W) ids.

        Raises:
            DataError: no such mask, or a value without a label; names the file.
        """
        raw = read_mask(path)
        if not self.table:
            return raw
        ids = np.array(self.table, np.int16)[raw]
        if ids.min(initial=0) < 0:
            raise unlabelled(path, int(raw[ids < 0][0]))
        return ids.astype(np.uint8)


AS_STORED = IndexMask()


def unlabelled(path: Path, value: object) -> DataError:
    """Return the sentence on a value in a mask that stands for nothing."""
    return DataError(f"{path} holds id {value}, which has no label.")
