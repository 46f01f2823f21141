"""Files that appear whole or not at all, and their digests."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lseg_cli.errors import LsegError


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A path to write to in a hidden folder beside `path`; moved there at the end, and gone if anything fails.

    Whatever else lies in the folder at the end is moved as well.

    Raises:
        LsegError: the folder of `path` cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise LsegError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        yield folder / path.name
        for file in sorted(folder.iterdir(), reverse=True):  # the data before the graph that needs it
            file.replace(path.parent / file.name)
    except OSError as error:
        raise LsegError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()  # hashlib.file_digest needs Python 3.11
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
