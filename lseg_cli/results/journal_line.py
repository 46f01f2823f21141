"""One line of results.jsonl, as far as another run trusts it: whatever else it holds is damage."""

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from lseg_cli.results.kinds import FILES, place_of
from lseg_cli.results.records import Stamp

MOST_BYTES = 16 << 20  # of a line: a picture of 65,534 labels needs a tenth of it
_MOST_NAME_BYTES = 255  # of a part of a path, as file systems have it
_MOST_PATH_BYTES = 4096
_MAIN = {"mask": ("mask",), "embedding": ("embedding", "embedding-npy")}  # the keys that name what a line is about
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

Data = dict[str, Any]


class Entry(NamedTuple):
    """The journal's knowledge of a picture.

    Attributes:
        stamp: its file, as it was; the path absolute, or an address.
        main: the kind that the line is about, the mask or the embedding.
        files: all of its results below the output folder, by kind.
        sizes: their bytes, by kind; none where an earlier version wrote the line.
        mean_confidence: of a mask.
    """

    stamp: Stamp
    main: str
    files: dict[str, str]
    sizes: dict[str, int]
    mean_confidence: float


def parse_line(line: bytes, folder: Path) -> tuple[Data, Entry] | None:
    """A line as data and as what the journal knows of it; None of one that is torn or damaged.

    Args:
        line: with its end.
        folder: of the output, to which the picture's path may be relative.
    """
    if not line.endswith(b"\n") or len(line) > MOST_BYTES:
        return None
    try:
        data = json.loads(line, parse_constant=_refuse)
        return data, _entry(data, folder)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def relative_to(folder: Path, path: str) -> str:
    """A picture's absolute path as a journal has it: relative to the output folder where the two may move together."""
    base = os.path.abspath(folder)  # noqa: PTH100  resolve() follows links
    if _ADDRESS.match(path) or not path:
        return path
    try:
        common = os.path.commonpath([base, path])
    except ValueError:  # drives of Windows have nothing in common
        return path
    return path if common == os.path.dirname(common) else os.path.relpath(path, base)  # noqa: PTH120


def resolved(folder: Path, path: str) -> str:
    """The absolute path, or the address, of what `relative_to` gave."""
    if _ADDRESS.match(path):
        return path
    return os.path.normpath(os.path.join(os.path.abspath(folder), path))  # noqa: PTH100, PTH118


def _entry(data: Data, folder: Path) -> Entry:
    """Raises ValueError, KeyError, TypeError or AttributeError where the line is not one of ours."""
    key = next(key for key in (*_MAIN, "") if not key or key in data)
    name = _text(data[key])
    main = next(kind for kind in (*_MAIN[key], "") if not kind or name.endswith("." + FILES[kind][1]))
    files = {main: name, **{str(kind): _text(each) for kind, each in data["files"].items()}}
    for kind, each in files.items():
        _check_name(kind, each)
    stamp = data["file"]
    path, size, mtime = _text(stamp["path"]), _count(stamp["size_bytes"]), int(stamp["mtime_ns"])
    _text(data["source"])
    for side in ("height_px", "width_px"):
        _count(data[side])
    sizes = {str(kind): _count(each) for kind, each in data.get("sizes", {}).items()}
    confidence = float(data.get("mean_confidence", 0.0))
    return Entry(Stamp(resolved(folder, path), size, mtime), main, files, sizes, confidence)


def _check_name(kind: str, name: str) -> None:
    """Check that a file's name is one that a run gives: inside the folder of its kind, with its extension."""
    folder, extension = place_of(kind)
    path = PurePosixPath(name)
    parts = [os.fsencode(part) for part in path.parts]
    is_plain = str(path) == name and ".." not in path.parts and len(parts) > 1
    fits = max(map(len, parts)) <= _MOST_NAME_BYTES and len(os.fsencode(name)) < _MOST_PATH_BYTES
    if not (is_plain and fits and name.startswith(f"{folder}/") and path.name.endswith(f".{extension}")):
        raise ValueError(f"{name!r} is not the name of a file of the kind {kind}")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{value!r} is not a name")
    os.fsencode(value)  # raises UnicodeEncodeError, a ValueError, for what no file can be called
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
