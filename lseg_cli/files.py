"""Files that appear whole or not at all, files that are read without waiting or without end, and their digests."""

import codecs
import errno
import hashlib
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lseg_cli.errors import DataError, LsegError, MissingError

HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # whatever comes next would fare no better
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# What opening needs so that a pipe does not wait for a writer and Windows does not translate line ends.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


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
def staged_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder` to fill; it becomes `folder` after the block, or goes if the block fails.

    Raises:
        LsegError: it cannot be written, or `folder` holds something by then.
    """
    draft = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    try:
        draft.mkdir(parents=True)
        yield draft
        if folder.is_dir():
            folder.rmdir()  # an empty one; what somebody put there meanwhile is an error
        draft.replace(folder)
    except OSError as error:
        raise LsegError(f"{folder} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


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
        if error.errno in HOPELESS:
            raise MissingError(
                f"{path} cannot be written ({error.strerror}); free some space and run it again, or take another -o."
            ) from error
        raise DataError(f"{path} cannot be written ({error.strerror or error}).") from error


def open_regular(path: str | os.PathLike[str], max_bytes: int | None = None) -> BinaryIO:
    """Open a regular file for reading bytes; links are followed.

    A pipe or a terminal would wait for ever and a device such as /dev/zero never ends, so neither is even opened.

    Args:
        path: of the file.
        max_bytes: its size is at most this; None: any size.

    Raises:
        OSError: it cannot be opened, is not a regular file (EINVAL), or is larger (EFBIG); `strerror` says so.
    """
    name = os.fspath(path)
    _check_regular(name, os.stat(name), max_bytes)  # noqa: PTH116  opening a device can already act
    handle = os.open(name, _OPEN_FLAGS)
    try:
        _check_regular(name, os.fstat(handle), max_bytes)  # it may be another file by now
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """All bytes of a regular file; raises as `open_regular`, also where more can be read than its size says."""
    with open_regular(path, max_bytes) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:  # files of /proc say that they have 0 bytes
        raise _too_large(os.fspath(path), len(data), max_bytes)
    return data


def decode_text(data: bytes, what: str) -> str:
    """Text in UTF-8, with or without its mark, or in UTF-16 with its mark, as Windows writes it.

    Args:
        data: of a file.
        what: it is, at the start of a sentence.

    Raises:
        LsegError: it is neither.
    """
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not data.startswith(codecs.BOM_UTF32_LE)
    try:
        text = data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_text(what) from error
    if "\0" in text:
        raise not_text(what)
    return text


def not_text(what: str) -> LsegError:
    """The sentence on a file in another encoding."""
    return LsegError(f"{what} cannot be read: it is not text in UTF-8 (or in UTF-16 with its mark); save it as UTF-8.")


def _check_regular(name: str, facts: os.stat_result, max_bytes: int | None) -> None:
    if not stat.S_ISREG(facts.st_mode):
        kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", name)
    if max_bytes is not None and facts.st_size > max_bytes:
        raise _too_large(name, facts.st_size, max_bytes)


def _too_large(name: str, size: int, max_bytes: int) -> OSError:
    return OSError(errno.EFBIG, f"it has {size / 1e6:,.1f} MB; at most {max_bytes / 1e6:,.1f} MB are read", name)


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()  # hashlib.file_digest needs Python 3.11
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
