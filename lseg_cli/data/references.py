"""Names of data sets on the command line, and the paths that they hold."""

import difflib
import os
from pathlib import Path

from lseg_cli.config import DataRef
from lseg_cli.data.sets.registry import KNOWN
from lseg_cli.errors import DataError, LsegError

_PATH_MARKS = "/\\.$~"


def parse_data(text: str, split: str) -> DataRef:
    """A data set as the command line names it.

    Args:
        text: NAME:ROOT[:SPLIT] of a known set, or FILE[:SPLIT] of a dataset.yaml or the folder that holds one.
        split: is meant where none is said.

    Raises:
        LsegError: a known set without its root; a word that is neither a known set nor a folder.
    """
    name, _, rest = text.partition(":")
    if name in KNOWN:
        root, said = _split_off(rest)
        if not root:
            raise LsegError(f"Say where {name} lies, as {name}:ROOT; ROOT holds {KNOWN[name].layout}.")
        return DataRef(path=name, root=root, split=said or split)
    path, said = _split_off(text)
    if len(name) > 1 and is_unknown(name) and not Path(path).exists():  # one letter is a drive of Windows
        raise unknown_set(name)
    return DataRef(path=path, split=said or split)


def is_unknown(name: str) -> bool:
    """Return whether a bare word names nothing: no known set, file or folder."""
    return name not in KNOWN and not any(mark in name for mark in _PATH_MARKS) and not Path(name).exists()


def _split_off(text: str) -> tuple[str, str]:
    """`PATH:SPLIT` in two; the second is empty where none is said."""
    path, colon, last = text.rpartition(":")
    return (path, last) if colon and last and not any(mark in last for mark in _PATH_MARKS) else (text, "")


def unknown_set(name: str) -> LsegError:
    """Return the end of a sentence on a word that names no set: the nearest that does."""
    near = difflib.get_close_matches(name, KNOWN, n=1)
    hint = f"did you mean {near[0]}? There are" if near else "there are"
    return LsegError(f"There is no data set or folder '{name}'; {hint} {', '.join(KNOWN)}, or a dataset.yaml.")


def expanded(text: str) -> Path:
    """A path with its environment variables and ~ filled in.

    Raises:
        DataError: a variable is not set.
    """
    path = Path(os.path.expandvars(text)).expanduser()
    if "$" in str(path):
        raise DataError(f"{text} names an environment variable that is not set.")
    return path
