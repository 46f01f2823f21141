"""Masks that are still in the zip file they came in: read from there, nothing is unpacked to the disk."""

import io
import os
import zipfile
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.decoding import any_size
from lseg_cli.errors import DataError
from lseg_cli.reading import reading

_LARGEST = 64_000_000  # bytes of one mask as a PNG
_MOST_PX = 512_000_000  # of one mask


class PackedMasks:
    """A zip file of PNG masks, known by their file names; may be used by several threads and processes."""

    def __init__(self, archive: Path) -> None:
        """Reads its directory.

        Raises:
            DataError: it is not a zip file, or is damaged.
        """
        self.archive = archive
        with reading(archive, "is not a whole zip file", DataError):
            if not archive.is_file():
                raise ValueError("it is not a regular file")
            self._changed_ns = archive.stat().st_mtime_ns
            members = self._file.namelist()
        self._members = {PurePosixPath(name).name: name for name in members if not name.endswith("/")}

    def holds(self, path: Path) -> bool:
        """Return whether it has a mask of this file name."""
        return path.name in self._members

    def colours(self, path: Path) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 of the mask of this file name.

        Raises:
            DataError: it cannot be read.
        """
        with reading(path, "cannot be read as a mask", DataError):
            with self._file.open(self._members[path.name]) as member:
                data = member.read(_LARGEST + 1)
            if len(data) > _LARGEST:
                raise ValueError(f"it has more than {_LARGEST / 1e6:.0f} MB")
            with any_size(), Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                if image.width * image.height > _MOST_PX:
                    raise ValueError(f"it claims {image.width} x {image.height} pixels")
                return np.asarray(image.convert("RGB"))

    @property
    def _file(self) -> zipfile.ZipFile:
        return _opened(self.archive, self._changed_ns, os.getpid())


@lru_cache(maxsize=8)
def _opened(archive: Path, _changed_ns: int, _process: int) -> zipfile.ZipFile:
    """A process that shared it with another would share its position in the file."""
    return zipfile.ZipFile(archive)
