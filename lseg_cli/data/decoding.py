"""Files of pictures -> values: by content from a list of formats, from regular files only; no program is started."""

import ctypes
import importlib.util
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, _imaging

from lseg_cli.data.formats import foreign, formats_of, is_heif
from lseg_cli.data.store import Place
from lseg_cli.data.tiff import Tiff, read_tiff
from lseg_cli.errors import DataError
from lseg_cli.files import open_regular

HEIF_PACKAGE = "pillow_heif"
_ORIENTATION = 0x0112
_LARGEST = 2_000_000_000  # bytes of a file; of a TIFF, which may hold plain numbers:
_BYTES_PER_PIXEL = 16
_LOG = cv2.utils.logging
_HEAD = 32  # bytes that tell what a file is
_MOST_READS = 3_000_000  # Pillow goes byte by byte through what is not a picture


class PictureError(DataError):
    """A file that gives no picture."""

    def __init__(self, message: str, stage: Literal["read", "decode"]) -> None:
        """`stage`: whether the bytes could not be had, or not be understood."""
        super().__init__(message)
        self.stage = stage


@dataclass(frozen=True)
class Decoded:
    """The first picture of a file, as stored.

    Attributes:
        size: (W, H).
        orientation: EXIF's, 1 to 8; 0: unknown.
        tiff: its tags, where it is one.
        image: in the file's own mode, loaded or not.
        deep: (H, W, 3) or (H, W, 4), where there are several bands of more than 8 bits; None else.
    """

    size: tuple[int, int]
    orientation: int
    tiff: Tiff | None = None
    image: Image.Image | None = None
    deep: NDArray[np.generic] | None = None


def decode(
    path: Place, max_megapixels: float, admit: Callable[[int], None] | None = None, header_only: bool = False
) -> Decoded:
    """The first picture of a file.

    Args:
        path: of the file.
        max_megapixels: a header that claims more is not believed.
        admit: called with the number of pixels before they are decoded.
        header_only: read its size and orientation, not its pixels.

    Raises:
        PictureError: no such file, or no whole picture in it.
    """
    limit = max(_LARGEST, _BYTES_PER_PIXEL * max_megapixels * 1e6)
    try:
        with _opened(path, limit) as stream, _UNLEASHED.hold():
            head = stream.read(_HEAD)
            stream.seek(0)
            if not head:
                raise PictureError(f"{path} is empty (0 bytes).", "decode")
            found = _headed(path, stream, head)
            width, height = found.size
            if width * height > max_megapixels * 1_000_000:
                raise PictureError(
                    f"{path} claims {width} x {height} pixels; at most {max_megapixels:g} megapixels are read "
                    "(--max-pixels).",
                    "decode",
                )
            if header_only:
                return found
            if admit is not None:
                admit(width * height)
            return _loaded(path, stream, head, found)
    except MemoryError as error:
        raise PictureError(f"{path} does not fit into memory.", "decode") from error
    except (OSError, ValueError) as error:  # the latter: a zero byte in the name
        raise PictureError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).", "read") from error


def open_stored(path: Path) -> Image.Image:
    """The file of a mask as it is stored, of any size: nothing is scaled or turned.

    Raises:
        PictureError: no such file, or no whole picture in it.
    """
    image = decode(path, float("inf")).image
    if image is None:
        raise PictureError(f"{path} holds several bands of more than 8 bits.", "decode")
    return image


def any_size() -> AbstractContextManager[None]:
    """Within it Pillow reads pictures of any size, for those that this tool has written."""
    return _UNLEASHED.hold()


class _Patient(io.BufferedReader):
    """Stop a decoder that would read for ever: gigabytes that hold no picture, a byte at a time."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > _MOST_READS:
            raise OSError("it does not end")
        return super().read(size)


@contextmanager
def _opened(path: Place, most_bytes: float) -> Iterator[io.BufferedReader]:
    limit = int(min(most_bytes, 1 << 62))
    raw = cast(io.BufferedReader, open_regular(path, limit)).detach() if isinstance(path, Path) else path.open("rb")
    with _Patient(cast(io.RawIOBase, raw)) as stream:
        yield stream


def _headed(path: Place, stream: io.BufferedReader, head: bytes) -> Decoded:
    """Return what the header says."""
    tiff = read_tiff(stream) if head[:2] in (b"II", b"MM") else None
    if tiff is not None and tiff.refusal():
        raise PictureError(f"{path} {tiff.refusal()}.", "decode")
    if tiff is not None and tiff.is_deep:
        return Decoded(tiff.size, tiff.orientation, tiff)
    image = _recognised(path, stream, head, tiff)
    return Decoded(image.size, orientation_of(image, may_load=False), tiff, image)


def _loaded(path: Place, stream: io.BufferedReader, head: bytes, found: Decoded) -> Decoded:
    """Return the same with its pixels."""
    image = found.image
    if image is None:
        return replace(found, deep=_deep(path, stream, found.tiff))
    _load(path, image, found.tiff)
    deep = _deep(path, stream, None) if _is_deep_png(head) else None
    return replace(found, orientation=orientation_of(image, may_load=True), deep=deep)


def _recognised(path: Place, stream: io.BufferedReader, head: bytes, tiff: Tiff | None) -> Image.Image:
    for know_formats in (Image.preinit, _know_all):  # JPEG and PNG first: the others take longer to import than to use
        know_formats()
        formats = [name for name in formats_of(path.name) if name in Image.OPEN]  # some need a package
        try:
            return Image.open(stream, formats=formats)
        except UnidentifiedImageError:
            stream.seek(0)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's readers raise what they stumble over: OSError, SyntaxError, ...
            raise _damaged(path, error) from error
    raise _unknown(path, head, tiff)


def _unknown(path: Place, head: bytes, tiff: Tiff | None) -> PictureError:
    """The sentence on a file that no reader takes."""
    kind, unread = foreign(head), tiff.unread() if tiff else ""
    if unread:
        return PictureError(f"{path} {unread}.", "decode")
    if kind:
        return PictureError(f"{path} is {kind}; convert it to PNG.", "decode")
    lacks_heif = is_heif(path.name) and not importlib.util.find_spec(HEIF_PACKAGE)
    advice = "pip install pillow-heif" if lacks_heif else "convert it to PNG"
    return PictureError(f"{path} holds no picture of a known format; {advice}.", "decode")


def _load(path: Place, image: Image.Image, tiff: Tiff | None) -> None:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # as in `_recognised`
        unread = tiff.unread() if tiff else ""
        raise PictureError(f"{path} {unread}.", "decode") if unread else _damaged(path, error) from error


def _damaged(path: Place, error: Exception) -> PictureError:
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return PictureError(f"{path} is damaged: {said}.", "decode")


def _is_deep_png(head: bytes) -> bool:
    """16 bits and more than one band, of which Pillow keeps the upper 8 bits."""
    return head.startswith(b"\x89PNG") and len(head) > 25 and head[24] == 16 and head[25] in (2, 4, 6)


def _deep(path: Place, stream: io.BufferedReader, tiff: Tiff | None) -> NDArray[np.generic]:
    """(H, W, 3) RGB or (H, W, 4) as stored."""
    stream.seek(0)
    data = np.frombuffer(stream.read(), np.uint8)
    try:
        values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        values = None
    if values is None or values.ndim != 3 or (tiff is not None and values.shape[1::-1] != tiff.size):
        unread = tiff.unread() if tiff else ""
        raise PictureError(f"{path} {unread or 'is damaged: its values cannot be decoded'}.", "decode")
    deep: NDArray[np.generic] = values[..., [2, 1, 0, 3][: values.shape[2]]]  # OpenCV's are blue, green, red
    return deep


def orientation_of(image: Image.Image, may_load: bool = True) -> int:
    """EXIF's; unlike `ImageOps.exif_transpose` it never rewrites the metadata, which fails where they are damaged."""
    with suppress(Exception):  # damaged metadata: shown as stored, as every viewer does
        exif = image.getexif() if may_load else Image.Image.getexif(image)  # that of a PNG would load its pixels
        return int(exif.get(_ORIENTATION, 0))
    return 0


class _Unleashed:
    """Pillow without its limit of size, which is below ours, nor remarks on odd metadata; OpenCV without its log.

    All are global to the process, so of several threads that decode the first one in sets them and the last one out
    sets them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._undo = ExitStack()

    @contextmanager
    def hold(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                _silence_libtiff()
                self._undo.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                self._undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
                Image.MAX_IMAGE_PIXELS = None
                self._undo.callback(_LOG.setLogLevel, _LOG.setLogLevel(_LOG.LOG_LEVEL_SILENT))
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._undo.close()


_UNLEASHED = _Unleashed()


def _know_all() -> None:
    """All formats that Pillow reads here."""
    Image.init()
    _know_heif()


@cache
def _know_heif() -> None:
    """HEIC and HEIF, where the extra `heif` is installed."""
    with suppress(ImportError):
        importlib.import_module(HEIF_PACKAGE).register_heif_opener()


@cache
def _silence_libtiff() -> None:
    """Pillow's own copy writes what it stumbles over to stderr; the same comes as an exception. Not on Windows."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(_imaging.__file__)  # a symbol is looked for in what this one is linked with, too
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            getattr(library, name)(None)
