"""Pictures in object stores, by address: `s3://bucket/photos`, `gs://…`, `abfs://…`, `hdfs://…`, what PyArrow reads.

How a store is reached stands in the address (`?region=…`, `?endpoint_override=…`), as PyArrow takes it; who asks comes
from the environment, so that no journal holds a secret.
"""

import errno
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, unquote

from lseg_cli.data.film_frame import FilmFrame
from lseg_cli.errors import LsegError, MissingError

_ADDRESS = re.compile(r"(?s)([A-Za-z][A-Za-z0-9+.-]+)://([^/?]*)([^?]*)(.*)")  # C: is a drive
_TALK = re.compile(r" \(Request ID: \S*\)| error_info=\{.*", re.DOTALL)  # what says nothing to the user
_LEGAL = "/!$&'()*+,;=:@~"  # in the path of an address, unescaped
_MOST_CHARACTERS = 300  # of what PyArrow says: of HDFS it names every place where Java could be
_PATIENCE = "retry_limit_seconds=30"  # Google's client would try for a quarter of an hour
_SECOND_NS = 1_000_000_000


class State(NamedTuple):
    """The facts of an object, named as in `os.stat_result`."""

    st_size: int  # bytes
    st_mtime_ns: int  # whole seconds: some stores tell more of them in a listing than when asked for one object


@dataclass(frozen=True, slots=True)
class Address:
    """An object of a store or a folder of objects, with those parts of `Path` that reading a picture needs.

    Attributes:
        root: of the store, such as `s3://bucket`.
        path: below it, '' or with a leading '/', as it is: str() escapes it.
        query: '' or with its '?': how the store is reached.
        state: from a listing.
    """

    root: str
    path: str
    query: str
    state: State | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return the text that `locate` takes."""
        return f"{self.root}{quote(self.path, _LEGAL, errors='surrogateescape')}{self.query}"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """The suffix of the name, with its dot."""
        return PurePosixPath(self.path).suffix

    @property
    def parent(self) -> "Address":
        """The folder that it lies in."""
        return replace(self, path=self.path.rpartition("/")[0], state=None)

    @property
    def as_path(self) -> Path:
        """A path that no other address has, to compare folders with; nothing lies there."""
        scheme, _, place = self.root.partition("://")
        return Path("/", scheme, quote(self.query, safe=""), place.replace(":", "/") + self.path)

    def check(self) -> None:
        """Check that there is such a store, as far as that is known without asking for an object.

        Raises:
            LsegError: there is none, or it cannot be reached.
            MissingError: PyArrow is not installed.
        """
        with self._told() as fs:
            self._find(fs)

    def kind(self) -> Literal["object", "folder"] | None:
        """Return the object's facts; None: there is no object. Raises as `check`."""
        with self._told() as fs:
            store, path = self._find(fs)
            info = store.get_file_info(path)
        if info.is_file:
            return "object"
        return "folder" if info.type == fs.FileType.Directory else None

    def walk(self) -> "list[Address]":
        """All objects below a folder, with their states. Raises as `check`."""
        with self._told() as fs:
            store, path = self._find(fs)
            found = store.get_file_info(fs.FileSelector(path, recursive=True))
        start = len(path.rstrip("/"))
        names = ((info.path[start:], _state(info)) for info in found if info.is_file)
        return [
            replace(self, path=f"{self.path}{'' if name.startswith('/') else '/'}{name}", state=state)
            for name, state in names
        ]

    def stat(self) -> State:
        """Return size and time, asking for them if no listing has given them; raises OSError if they cannot be had."""
        if self.state is not None:
            return self.state
        with _file_systems() as fs:
            store, path = self._find(fs)
            info = store.get_file_info(path)
            if not info.is_file:
                raise FileNotFoundError
        return _state(info)

    def open(self, mode: Literal["rb"]) -> io.BytesIO:
        """All of an object, in memory: decoders go to and fro, and every step would be a request. Raises as `stat`."""
        with _file_systems() as fs:
            store, path = self._find(fs)
            with store.open_input_file(path) as file:
                return io.BytesIO(file.readall())

    def _find(self, fs: Any) -> tuple[Any, str]:
        """A file system, and the path in it."""
        store, root = _open_store(fs, self.root, self.query)
        path = root.rstrip("/") + self.path
        return store, (path or "/") if store.type_name == "hdfs" else path.lstrip("/")

    @contextmanager
    def _told(self) -> Iterator[Any]:
        """Return the same as `_file_systems`, with errors in sentences; raises as `check`."""
        try:
            with _file_systems() as fs:
                yield fs
        except ImportError as error:
            raise MissingError(f"{self} needs PyArrow, which is not installed; pip install 'lseg-cli[ray]'.") from error
        except OSError as error:
            raise LsegError(
                f"{self} cannot be read ({error.strerror or error}); check the address, the network, and the "
                "credentials in the environment."
            ) from error


Place = Path | Address


def locate(text: str) -> Place:
    """A path as it is written, also as `file:///…`, or an address.

    Raises:
        LsegError: the address holds a secret.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return Path(text)
    scheme, store, path, query = match.groups()
    if scheme == "file":
        from urllib.request import url2pathname  # noqa: PLC0415  brings http and ssl, a fortieth of a small run

        return Path(url2pathname(f"//{store}{path}" if store else path))
    if ":" in store.rpartition("@")[0] or "secret" in query.lower():
        raise LsegError(
            f"The {scheme}:// address holds a secret, which journals would keep; put it into the environment."
        )
    return Address(f"{scheme}://{store}", unquote(path, errors="surrogateescape").rstrip("/"), query)


def locate_output(text: str) -> Path:
    """A folder to write to.

    Raises:
        LsegError: it is an address.
    """
    place = locate(text)
    if isinstance(place, Address):
        raise LsegError(
            f"Results are written to a folder, and {place} is an address; mount the store (rclone, gcsfuse, Mountpoint "
            "for S3), or copy them afterwards."
        )
    return place


def absolute(place: Place | FilmFrame) -> str:
    """Return the text that identifies a place; links are not followed."""
    return str(place) if isinstance(place, Address) else os.path.abspath(place)  # noqa: PTH100  resolve() follows links


@contextmanager
def _file_systems() -> Iterator[Any]:
    """PyArrow's; whatever it raises in the block is an OSError in a few words.

    Raises:
        ImportError: it is not installed.
    """
    from pyarrow import ArrowException, fs  # noqa: PLC0415  an extra

    try:
        yield fs
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
    except (OSError, ArrowException) as error:
        text = shorten(_TALK.sub("", str(error)), _MOST_CHARACTERS, placeholder=" …")
        raise OSError(text.rstrip(".")) from error


@cache
def _open_store(fs: Any, root: str, query: str) -> tuple[Any, str]:
    """A file system with its connections, for all threads, and the root's path in it."""
    if root.startswith(("gs://", "gcs://")) and "retry_limit_seconds" not in query:
        query = f"{query}&{_PATIENCE}" if query else f"?{_PATIENCE}"
    store, path = fs.FileSystem.from_uri(f"{root}/{query}")
    return store, path


def _state(info: Any) -> State:
    return State(info.size, (info.mtime_ns or 0) // _SECOND_NS * _SECOND_NS)
