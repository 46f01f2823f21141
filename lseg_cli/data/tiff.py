"""The tags of a TIFF's first picture: which kinds are read, and a sentence on each that is not."""

from dataclasses import dataclass
from typing import BinaryIO

from PIL import TiffImagePlugin

_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
_REDUCED, _BITS, _COMPRESSION, _PHOTOMETRIC, _BANDS, _PLANAR = 254, 258, 259, 262, 277, 284
_SUB_PICTURES, _EXTRA, _FORMAT, _GDAL_NODATA, _DNG = 330, 338, 339, 42113, 50706
# Photometric interpretations: colour; CMYK, YCbCr and Lab; a camera's sensor.
_RGB, _MIXED, _RAW = 2, (5, 6, 8), (32803, 34892)
_NUMBERS = {1: "integers", 2: "signed integers", 3: "floats"}
_COMPRESSIONS = {
    34712: "JPEG 2000", 34887: "LERC", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 34925: "LZMA", 34933: "PNG",
}  # fmt: skip
_READ_EVERYWHERE = (1, 2, 3, 4, 5, 7, 8, 32773, 32946)
CONVERT = "gdal_translate -co COMPRESS=DEFLATE in.tif out.tif"


@dataclass(frozen=True)
class Tiff:
    """The first picture of a TIFF.

    Attributes:
        size: (W, H).
        orientation: EXIF's, 1 to 8; 0: unknown.
        bands: values of a pixel.
        bits: of a value.
        numbers: 1 unsigned, 2 signed, 3 float.
        photometric: how a pixel's values are meant, as numbered by TIFF.
        extra: what the bands after the colours are: 0 anything, 1 premultiplied and 2 plain transparency.
        nodata: the value that GDAL's tag names.
        compression: as numbered by TIFF.
        is_planar: a band lies after the other.
        is_raw: it is of a camera's raw file, so what can be read is a small preview.
    """

    size: tuple[int, int]
    orientation: int
    bands: int
    bits: int
    numbers: int
    photometric: int
    extra: tuple[int, ...]
    nodata: float | None
    compression: int
    is_planar: bool
    is_raw: bool

    @property
    def is_rgb(self) -> bool:
        """True if its first three bands are red, green and blue."""
        return self.photometric == _RGB

    @property
    def is_deep(self) -> bool:
        """True if its values do not fit 8 bits and are of several bands, of which Pillow keeps 8 bits or nothing."""
        return self.bits > 8 and self.is_rgb and self.bands in (3, 4)

    @property
    def has_alpha(self) -> bool:
        """True if the band after the colours is marked as transparency; GDAL marks any that way."""
        return bool(self.extra) and self.extra[0] in (1, 2)

    def refusal(self) -> str:
        """Why this picture is not read, and what to do; nothing where it may be."""
        if self.is_raw:
            return "is a camera's raw file, of which only a small preview could be read; develop it to JPEG or TIFF"
        kind = f"{self.bands} bands of {self.bits}-bit {_NUMBERS.get(self.numbers, 'values')}"
        if self.bands > 2 and self.photometric not in (_RGB, *_MIXED):
            return (
                f"holds {kind} that are not marked as red, green and blue; choose three, such as gdal_translate "
                "-b 4 -b 3 -b 2 -co PHOTOMETRIC=RGB in.tif out.tif"
            )
        if self.is_rgb and self.bands > 4:
            return f"holds {kind}; keep the first three: gdal_translate -b 1 -b 2 -b 3 in.tif out.tif"
        if self.is_deep and self.is_planar:
            return f"holds {kind}, one band after the other; gdal_translate -co INTERLEAVE=PIXEL in.tif out.tif"
        return ""

    def unread(self) -> str:
        """Return what is special about a picture that could not be decoded; '' if nothing is."""
        if self.compression in _READ_EVERYWHERE:
            return ""
        name = _COMPRESSIONS.get(self.compression, f"method {self.compression}")
        return f"is compressed with {name}, which is not read here; {CONVERT}"


def read_tiff(stream: BinaryIO) -> Tiff | None:
    """The tags of the first picture; None where they cannot be read. The stream is at its start again afterwards."""
    try:
        start = stream.read(16)
        is_big = start[2:4] in (b"+\0", b"\0+")  # more than 4 GB
        tags = TiffImagePlugin.ImageFileDirectory_v2(start if is_big else start[:8])
        stream.seek(tags.next)
        tags.load(stream)
        return _facts(tags, is_canon=start[8:10] == b"CR" and not is_big)
    except Exception:  # damaged tags raise whatever Pillow stumbles over; decoding says so in a sentence
        return None
    finally:
        stream.seek(0)


def _facts(tags: TiffImagePlugin.ImageFileDirectory_v2, is_canon: bool) -> Tiff:
    photometric = int(tags.get(_PHOTOMETRIC, 1))
    is_small = bool(int(tags.get(_REDUCED, 0)) & 1) and _SUB_PICTURES in tags
    return Tiff(
        size=(int(tags[_WIDTH]), int(tags[_HEIGHT])),
        orientation=int(tags.get(_ORIENTATION, 0)),
        bands=int(tags.get(_BANDS, 1)),
        bits=max(_numbers(tags.get(_BITS, 1))),
        numbers=max(_numbers(tags.get(_FORMAT, 1))),
        photometric=photometric,
        extra=_numbers(tags.get(_EXTRA, ())),
        nodata=_nodata(tags.get(_GDAL_NODATA)),
        compression=int(tags.get(_COMPRESSION, 1)),
        is_planar=int(tags.get(_PLANAR, 1)) == 2,
        is_raw=is_small or is_canon or _DNG in tags or photometric in _RAW,
    )


def _numbers(value: object) -> tuple[int, ...]:
    return tuple(int(each) for each in value) if isinstance(value, tuple) else (int(str(value)),)


def _nodata(text: object) -> float | None:
    """GDAL writes it as text; NaN needs no tag to be no data."""
    try:
        value = float(str(text).strip("\0 "))
    except ValueError:
        return None
    return None if value != value else value  # noqa: PLR0124  NaN is not equal to itself
