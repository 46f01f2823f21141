"""Files that appear whole or not at all, and their digests."""

import errno
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lseg_cli.errors import DataError, LsegError, MissingError

_HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # whatever comes next would fare no better


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A path to write to in a hidden folder beside `path`; moved there at the end, and gone if anything fails.

    Whatever else lies in the folder at the end is moved as well.

    Raises:
        LsegError: the folder of `path` cannot be written, or the disk is full.
    """
    folder = path.parent / f".{path.name}.{secrets.token_hex(4)}"  # known before it is there: a signal may come between
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        yield folder / path.name
        for file in sorted(folder.iterdir(), reverse=True):  # the data before the graph that needs it
            file.replace(path.parent / file.name)
    except OSError as error:
        raise LsegError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def atomic(path: Path, shard: str = "") -> Iterator[Path]:
    """A path in the same folder to write to; it becomes `path` after the block, or goes if the block fails.

    Args:
        path: of the file.
        shard: whose it is, so that others do not take it for what a killed process left.

    Raises:
        DataError: it cannot be written.
        MissingError: the disk is full or read-only.
    """
    # Short: the name may be as long as can be.
    temporary = path.with_name(f".{shard + '-' if shard else ''}{os.getpid()}-{threading.get_ident()}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever the system says of writing `path` in its block becomes a sentence; raises as `atomic`."""
    try:
        yield
    except OSError as error:
        if error.errno in _HOPELESS:
            raise MissingError(
                f"{path} cannot be written ({error.strerror}); free some space and run it again, or take another -o."
            ) from error
        raise DataError(f"{path} cannot be written ({error.strerror or error}).") from error


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()  # hashlib.file_digest needs Python 3.11
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
