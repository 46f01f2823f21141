"""Pictures as they come, read into RGB whatever they hold."""

import importlib.util
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache
from typing import BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lseg_cli.data.store import Place
from lseg_cli.errors import DataError

MAX_MEGAPIXELS = 512
HEIF_PACKAGE = "pillow_heif"

_TURNS = {  # EXIF's orientation -> what brings the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_BAND_PX = 2**22  # pixels that are copied at a time
_AT_ONCE_PX = 32_000_000  # Pillow holds so many twice more while it hands them out
_GAP = 2.0  # how many times larger than wanted a picture stays when it is averaged in whole pixels


class PictureError(DataError):
    """A file that gives no picture."""

    def __init__(self, message: str, stage: Literal["read", "decode"]) -> None:
        """`stage`: whether the bytes could not be had, or not be understood."""
        super().__init__(message)
        self.stage = stage


def open_image(
    path: Place, max_megapixels: float = MAX_MEGAPIXELS, admit: Callable[[int], None] | None = None
) -> Image.Image:
    """A picture as it is displayed, in mode RGB: EXIF's orientation applied, the first frame of several.

    Grey and palettes become RGB. 16-bit grey is scaled by 1/257, not clipped; integer and float pictures without a
    fixed range are scaled from 0..1, 0..255 or 0..65535, whichever holds them, else from their least to their greatest
    value. What is transparent shows white, as on a web page: the colours stored under it are arbitrary.

    Args:
        path: of the file; its content decides the format, not its name.
        max_megapixels: a header that claims more is not believed.
        admit: called with the number of pixels before they are decoded; it may wait until there is memory for them.

    Raises:
        PictureError: no such file, or no whole picture in it.
    """
    try:
        with path.open("rb") as file:
            stream = cast(BinaryIO, file) if file.seekable() else io.BytesIO(file.read())  # a pipe cannot be rewound
            with _UNLEASHED.hold():
                picture = _decode(path, stream, max_megapixels, admit)
            return _to_rgb(picture)
    except MemoryError as error:
        raise PictureError(f"{path} does not fit into memory.", "decode") from error
    except (OSError, ValueError) as error:  # the latter: a zero byte in the name
        raise PictureError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).", "read") from error


def pixels_of(picture: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of a picture in RGB."""
    width, height = picture.size
    if width * height <= _AT_ONCE_PX:  # a fifth of the time
        return np.asarray(picture)
    rgb = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND_PX // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        rgb[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    return rgb


def resized(picture: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """An RGB picture at another size, (height, width, 3) uint8: bilinear, of all pixels when shrinking.

    That is what `Resize` of torchvision does, with which models are trained. A picture more than four times as large is
    first averaged in whole pixels, which is half the work and changes a value by 0.3 of 255.
    """
    small = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=_GAP)
    return np.array(small)  # a copy: PyTorch warns of what is read-only


def _decode(path: Place, stream: BinaryIO, max_megapixels: float, admit: Callable[[int], None] | None) -> Image.Image:
    """The first frame, upright, in the file's own mode."""
    if not stream.read(1):
        raise PictureError(f"{path} is empty (0 bytes).", "decode")
    stream.seek(0)
    try:
        picture = Image.open(stream)
        width, height = picture.size
        if width * height > max_megapixels * 1_000_000:
            raise PictureError(
                f"{path} claims {width} x {height} pixels; at most {max_megapixels:g} megapixels are read "
                "(--max-pixels).",
                "decode",
            )
        if admit is not None:
            admit(width * height)
        picture.load()
    except (PictureError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        lacks_heif = path.suffix.lower() in (".heic", ".heif") and not importlib.util.find_spec(HEIF_PACKAGE)
        advice = "pip install pillow-heif" if lacks_heif else "convert it to PNG or JPEG"
        raise PictureError(f"{path} holds no picture of a known format; {advice}.", "decode") from error
    except Exception as error:  # Pillow's readers raise what they stumble over: OSError, SyntaxError, struct.error, ...
        raise PictureError(f"{path} is damaged: {' '.join(str(error).split()).rstrip('.')}.", "decode") from error
    return _upright(picture)


class _Unleashed:
    """Pillow without its limit of size, which is below ours, nor remarks on odd metadata.

    Both are global to the process, so of several threads that decode the first one in sets them and the last one out
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
                _know_heif()
                self._undo.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                self._undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
                Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._undo.close()


_UNLEASHED = _Unleashed()


def any_size() -> AbstractContextManager[None]:
    """Within it Pillow reads pictures of any size, for those that this tool has written."""
    return _UNLEASHED.hold()


@cache
def _know_heif() -> None:
    """HEIC and HEIF, where the extra `heif` is installed."""
    with suppress(ImportError):
        importlib.import_module(HEIF_PACKAGE).register_heif_opener()


def _upright(picture: Image.Image) -> Image.Image:
    """Unlike `ImageOps.exif_transpose` it never rewrites the metadata, which fails where they are damaged."""
    orientation = None
    with suppress(Exception):  # damaged metadata: shown as stored, as every viewer does
        orientation = picture.getexif().get(_ORIENTATION)
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_to_8_bit(np.asarray(picture), is_16_bit=picture.mode.startswith("I;16")))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGB", picture.size, "white")
        white.paste(picture, mask=picture.getchannel("A"))
        picture = white
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _to_8_bit(values: NDArray[np.generic], is_16_bit: bool) -> NDArray[np.uint8]:
    """(H, W) of any number type -> (H, W) uint8."""
    grey = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(grey.min()), float(grey.max())
    ranges = [65535.0] if is_16_bit else [1.0, 255.0, 65535.0] if values.dtype.kind == "f" else [255.0, 65535.0]
    full = next((full for full in ranges if low >= 0 and high <= full), None)
    if full is not None:
        low, high = 0.0, full
    scaled: NDArray[np.uint8] = np.rint((grey - low) * (255.0 / max(high - low, 1e-30))).astype(np.uint8)
    return scaled
