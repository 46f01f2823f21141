"""Split lists of PASCAL-5i, COCO-20i and FSS-1000: those of a copy of HSNet (or of lang-seg), or plain ones.

A plain list has a line for each picture and class, `2007_000033__01`: the picture's name and the class, from 1. HSNet
keeps COCO's as pickles. A pickle is a program; what reads it here knows dictionaries, lists, text and numbers, and
calls nothing.
"""

import io
import pickle
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lseg_cli.errors import DataError, LsegError
from lseg_cli.files import decode_text, read_regular

_LONGEST = 256_000_000  # bytes of a list
_FOLDERS = ("", "splits", "data/splits", "fewshot_data/data/splits")  # of HSNet and lang-seg, seen from their roots
_CLASSWISE = TypeAdapter(dict[int, list[str]])


def find_list(lists: Path | None, root: Path, benchmark: str, name: str) -> Path:
    """The file of a list such as `val/fold0`.

    Args:
        lists: a copy of HSNet or of its folder `data/splits`; None: the data set's root.
        root: of the data set.
        benchmark: `pascal`, `coco` or `fss`.
        name: without its suffix.

    Raises:
        DataError: it is not there.
    """
    base = lists or root
    found = search_list(base, benchmark, name)
    if found:
        return found
    suffix = ".pkl (or .txt)" if benchmark == "coco" else ".txt"
    raise DataError(
        f"The split list {benchmark}/{name}{suffix} is neither in {base} nor in its {', '.join(_FOLDERS[1:])}: give a "
        "copy of HSNet's data/splits as the folder of lists."
    )


def search_list(base: Path, benchmark: str, name: str) -> Path | None:
    """The file of a list in a copy of HSNet, or in its folder `data/splits`; None if there is none."""
    for folder in _FOLDERS:
        for suffix in (".txt", ".pkl"):
            path = base / folder / benchmark / f"{name}{suffix}"
            if path.is_file():
                return path
    return None


def read_pairs(path: Path, count: int) -> list[tuple[str, int]]:
    """Pictures and their classes, from 0, in the order of a plain list.

    Raises:
        DataError: it cannot be read, is empty, or a line does not name one of `count` classes.
    """
    pairs = []
    for number, line in enumerate(read_lines(path), 1):
        name, mark, digits = line.rpartition("__")
        if not mark or not name or not digits.isdecimal() or not 1 <= int(digits) <= count:
            raise DataError(f"{path}, line {number}: {line[:80]!r} is not NAME__CLASS with a class of 1 to {count}.")
        pairs.append((name, int(digits) - 1))
    if not pairs:
        raise DataError(f"The split list {path} is empty.")
    return pairs


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, without those that are empty; raises DataError if it cannot be read."""
    try:
        lines = decode_text(read_regular(path, _LONGEST), f"The list {path}").split("\n")
    except OSError as error:
        raise DataError(f"The list {path} cannot be read: {error}.") from error
    except LsegError as error:
        raise DataError(str(error)) from error
    return [line.strip() for line in lines if line.strip()]


def read_classwise(path: Path, count: int) -> dict[int, list[str]]:
    """The pictures of each class, from 0: of a pickle of HSNet, or of a plain list.

    Raises:
        DataError: it cannot be read, is empty, or holds anything but classes and names; nothing of it is carried out.
    """
    if path.suffix != ".pkl":
        classwise: dict[int, list[str]] = {}
        for name, number in read_pairs(path, count):
            classwise.setdefault(number, []).append(name)
        return classwise
    try:
        loaded = _Plain(io.BytesIO(read_regular(path, _LONGEST))).load()
        classwise = _CLASSWISE.validate_python(loaded, strict=True)
    except ValidationError as error:
        raise DataError(f"{path} holds no lists of names by class: {error.errors()[0]['msg']}.") from error
    except DataError as error:
        raise DataError(f"{path} is refused: {error}") from error
    except Exception as error:  # a damaged pickle can raise whatever its instructions run into
        raise DataError(f"{path} cannot be read as a pickle of names by class: {error}.") from error
    if not any(classwise.values()) or not all(0 <= number < count for number in classwise):
        raise DataError(f"{path} must list pictures for classes of 0 to {count - 1}.")
    return classwise


class _Plain(pickle.Unpickler):
    """Dictionaries, lists, text and numbers need no code; a pickle that asks for any is refused."""

    def find_class(self, module_name: str, global_name: str) -> object:
        """Asked for everything that is not plain."""
        raise DataError(f"it asks for {module_name}.{global_name}, and a list of names needs no code.")

    def persistent_load(self, pid: object) -> object:
        """Asked for objects outside the file."""
        raise DataError("it asks for objects outside the file.")
