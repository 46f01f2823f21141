"""Files of other tools: opened with a limit, checked against a model of their keys, and their pictures found."""

import csv
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from lseg_cli.data.decoding import open_stored
from lseg_cli.data.formats import is_picture
from lseg_cli.errors import DataError

MOST_BYTES = 2_000_000_000  # of one file of labels
T = TypeVar("T")


def read_bytes(path: Path) -> bytes:
    """Return what a regular file holds.

    Raises:
        DataError: it is not there, is not a file, or is larger than any file of labels.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing, or is not a regular file.")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes; files of labels have at most {MOST_BYTES:,}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def read_text(path: Path) -> str:
    """Return a UTF-8 text, with or without BOM; raises DataError as `read_bytes`, or if it is something else."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a UTF-8 text.") from error


def read_json(path: Path, kind: type[T] | Any, what: str) -> T:
    """Return a JSON file as a model of its keys; unknown keys are passed over.

    Args:
        path: of the file.
        kind: a pydantic model, or a list of one.
        what: it should be, for people.

    Raises:
        DataError: it cannot be read or is something else; names the file and the first key that is wrong.
    """
    try:
        value: T = TypeAdapter(kind).validate_json(read_bytes(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise DataError(f"{path} is not {what}: its {where} cannot be used: {first['msg']}.") from error
    return value


@contextmanager
def in_file(path: Path) -> Iterator[None]:
    """Turn what a decoder throws in its block into a sentence that names the file."""
    try:
        yield
    except DataError:
        raise
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        OverflowError,
        SyntaxError,
        OSError,
        zlib.error,
    ) as error:
        raise DataError(f"{path} cannot be understood: {error or type(error).__name__}.") from error


def read_index_mask(path: Path) -> NDArray[np.uint8]:
    """Return (H, W) uint8 of one 8-bit channel, a palette's indices as they are."""
    mask = open_stored(path)
    ids = np.asarray(mask.convert("L") if mask.mode in {"1", "LA", "RGB", "RGBA"} else mask)
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise DataError(f"{path} is not an index mask: it holds {ids.dtype} {ids.shape}.")
    return ids


def read_colours(path: Path) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 of a mask whose colours stand for classes."""
    return np.asarray(open_stored(path).convert("RGB"))


class Pictures:
    """Pictures below a folder, found by whatever a file of labels calls them: a path, a URL's end, a bare name."""

    def __init__(self, *folders: Path | None) -> None:
        """Looks in the folders in their order."""
        self._folders = [folder for folder in folders if folder is not None]

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for folder in self._folders:
            for path in sorted(folder.rglob("*")):
                if is_picture(path.name) and path.is_file():
                    found.setdefault(path.name, path)
                    found.setdefault(path.stem, path)
                    found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
        return found

    def find(self, name: str) -> Path:
        """Return the file of a picture.

        Raises:
            DataError: it lies in none of the folders; a path that leads out of them counts as its name alone.
        """
        clean = name.replace("\\", "/")
        for folder in self._folders:
            inside = Path(os.path.normpath(folder / clean.lstrip("/")))
            if inside.is_relative_to(os.path.normpath(folder)) and inside.is_file():
                return inside
        last = clean.rpartition("/")[2].partition("?")[0]
        # Label Studio puts eight hexadecimal digits before the name of a file that was uploaded.
        for each in (clean, last, re.sub(r"^[0-9a-f]{8}-", "", last), last.rpartition(".")[0]):
            if each in self._by_name:
                return self._by_name[each]
        raise DataError(
            f"The picture {name} is not in {', '.join(map(str, self._folders))}; say where it lies with --images."
        )

    def all(self) -> list[Path]:
        """Return all of them, sorted, each once."""
        return sorted(set(self._by_name.values()))


def read_table(path: Path) -> list[tuple[str, tuple[int, int, int]]]:
    """Return names and colours of a table.

    Lines are of CSV (`name,r,g,b`, with or without a header), of CVAT's and VOC's `labelmap.txt`
    (`name:r,g,b:parts:actions`) or of words (`r g b name`). Lines that begin with # are comments.

    Raises:
        DataError: it holds no colours, or one twice.
    """
    rows = [row for line in read_text(path).splitlines() if (row := _colour_row(line)) is not None]
    if not rows:
        raise DataError(f"{path} holds no colours; a line is 'name,r,g,b', 'name:r,g,b::' or 'r g b name'.")
    seen: dict[tuple[int, int, int], str] = {}
    for name, colour in rows:
        if colour in seen and seen[colour] != name:
            raise DataError(f"{path} gives {seen[colour]} and {name} one colour, {colour}.")
        seen[colour] = name
    return rows


def _colour_row(line: str) -> tuple[str, tuple[int, int, int]] | None:
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    if match := re.fullmatch(r"([^:]+):(\d+)\s*,\s*(\d+)\s*,\s*(\d+)(:.*)?", line):
        name, numbers = match[1], match.groups()[1:4]
    elif match := re.fullmatch(r"(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\D.*)", line):
        name, numbers = match[4], match.groups()[:3]
    else:
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if len(cells) < 4 or not all(cell.isdecimal() for cell in cells[1:4]):
            return None
        name, numbers = cells[0], tuple(cells[1:4])
    red, green, blue = (int(number) for number in numbers)
    return (name.strip(), (red, green, blue)) if max(red, green, blue) < 256 else None
