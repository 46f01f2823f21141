"""The one reader of pictures: whatever they hold -> RGB as displayed, where there is data, and how it was scaled."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.decoding import Decoded, PictureError, any_size, decode, orientation_of
from lseg_cli.data.store import Place
from lseg_cli.data.values import is_transparency, scale, without

__all__ = [
    "Picture",
    "PictureError",
    "any_size",
    "displayed_size",
    "open_image",
    "open_picture",
    "pixels_of",
    "resized",
]

MAX_MEGAPIXELS = 512

_TURNS = {  # EXIF's orientation -> what brings the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BAND_PX = 2**22  # pixels that are copied at a time
_AT_ONCE_PX = 32_000_000  # Pillow holds so many twice more while it hands them out
_GAP = 2.0  # how many times larger than wanted a picture stays when it is averaged in whole pixels
_NO_ALPHA = "the last band is not transparency and is left out"


@dataclass(frozen=True)
class Picture:
    """A picture as it is displayed.

    Attributes:
        image: in mode RGB.
        valid: (H, W), False where there is no data or nothing can be seen; None: there is data everywhere.
        values: how its numbers became 8 bits; '' where they simply were.
    """

    image: Image.Image
    valid: NDArray[np.bool_] | None = None
    values: str = ""


def open_picture(
    path: Place, max_megapixels: float = MAX_MEGAPIXELS, admit: Callable[[int], None] | None = None
) -> Picture:
    """A picture as it is displayed, in mode RGB: EXIF's orientation applied, the first frame of several.

    Grey and palettes become RGB. Values of more than 8 bits are scaled by their range, see `lseg_cli.data.values`. What
    is transparent shows white, as on a web page (the colours stored under it are arbitrary), and is no data where
    nothing can be seen; what GDAL's tag calls no data is none either.

    Args:
        path: of the file; its content decides the format, not its name. No program is started for it.
        max_megapixels: a header that claims more is not believed.
        admit: called with the number of pixels before they are decoded; it may wait until there is memory for them.

    Raises:
        PictureError: no such file, or no whole picture in it.
    """
    decoded = decode(path, max_megapixels, admit)
    try:
        shown = _from_deep(decoded) if decoded.deep is not None else _from_image(decoded)
        return _upright(shown, decoded.orientation)
    except MemoryError as error:
        raise PictureError(f"{path} does not fit into memory.", "decode") from error
    except (OSError, ValueError, AssertionError) as error:  # of Pillow: a palette that is not whole
        raise PictureError(f"{path} is damaged: {str(error) or 'its colours are not whole'}.", "decode") from error


def as_displayed(image: Image.Image) -> Picture:
    """A picture that a program holds, of any of Pillow's modes, as `open_picture` shows one of a file.

    Raises:
        PictureError: it is not whole.
    """
    try:
        image.load()
        decoded = Decoded(image.size, orientation_of(image), image=image)
        return _upright(_from_image(decoded), decoded.orientation)
    except (OSError, ValueError, AssertionError) as error:
        raise PictureError(f"The picture is damaged: {error}.", "decode") from error


def open_image(
    path: Place, max_megapixels: float = MAX_MEGAPIXELS, admit: Callable[[int], None] | None = None
) -> Image.Image:
    """The picture alone, without what is known of its values; as `open_picture`."""
    return open_picture(path, max_megapixels, admit).image


def displayed_size(path: Place) -> tuple[int, int]:
    """(H, W) of a picture as it is displayed, from its header.

    Raises:
        PictureError: as `open_picture`, as far as the header shows it.
    """
    decoded = decode(path, float("inf"), header_only=True)
    width, height = decoded.size
    return (width, height) if decoded.orientation in (5, 6, 7, 8) else (height, width)


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


def _from_deep(decoded: Decoded) -> Picture:
    """Read a picture of several bands of more than 8 bits."""
    deep = np.asarray(decoded.deep)
    nodata, bits = (decoded.tiff.nodata, decoded.tiff.bits) if decoded.tiff else (None, 16)
    alpha, note = (deep[..., 3], "") if deep.shape[2] == 4 else (None, "")
    is_marked = decoded.tiff is None or decoded.tiff.has_alpha
    if alpha is not None and not (is_marked and is_transparency(alpha)):
        alpha, note = None, f"; {_NO_ALPHA}"
    scaled = scale(deep[..., :3], nodata, bits, None if alpha is None else alpha > 0)
    image = Image.fromarray(scaled.pixels)
    if alpha is not None:
        image.putalpha(Image.fromarray(np.rint(alpha * (255.0 / max(float(alpha.max()), 1e-30))).astype(np.uint8)))
    shown = _flat(image)
    return Picture(shown.image, _both(shown.valid, scaled.valid), scaled.note + note)


def _from_image(decoded: Decoded) -> Picture:
    image, tiff = decoded.image, decoded.tiff
    if image is None:
        raise ValueError("it has no pixels")
    nodata, note = tiff.nodata if tiff else None, ""
    if image.mode.startswith(("I", "F")):
        bits = 16 if image.mode.startswith("I;16") else 0
        scaled = scale(np.asarray(image), nodata, (tiff.bits if tiff else 0) or bits)
        return Picture(Image.fromarray(scaled.pixels).convert("RGB"), scaled.valid, scaled.note)
    if tiff and image.mode in ("RGBA", "LA") and not is_transparency(np.asarray(image.getchannel("A"))):
        image, note = image.convert(image.mode[:-1]), _NO_ALPHA
    valid = None
    if nodata is not None:
        bands = np.asarray(image)
        valid = without(bands[..., :3] if bands.ndim == 3 else bands, nodata)
        note = "; ".join(filter(None, (f"{nodata:.6g} is no data", note)))
    shown = _flat(image)
    return Picture(shown.image, _both(shown.valid, valid), note)


def _flat(image: Image.Image) -> Picture:
    """RGB; what is transparent is white."""
    if not image.has_transparency_data:
        return Picture(image if image.mode == "RGB" else image.convert("RGB"))
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return Picture(white, np.asarray(alpha) > 0)


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Valid in both; None where everything is."""
    valid = one if other is None else other if one is None else one & other
    return None if valid is None or valid.all() else valid


def _upright(picture: Picture, orientation: int) -> Picture:
    turn = _TURNS.get(orientation)
    if turn is None:
        return picture
    valid = picture.valid
    if valid is not None:
        valid = np.asarray(Image.fromarray(valid.astype(np.uint8)).transpose(turn)) > 0
    return Picture(picture.image.transpose(turn), valid, picture.values)
