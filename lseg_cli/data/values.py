"""Numbers of any kind -> 8 bits as a network knows them, and which of them are no data.

A photograph fills a range that everybody knows (0 to 1, 255, 4095, 65535). Heights, temperatures and reflectances do
not: for them the range is that of nearly all their values, so that one odd pixel changes nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BITS, _BITS_OF_COLOUR = (8, 10, 12, 14, 16), (8, 16)  # of cameras of one band; colours of 12 bits are reflectances
_FILLED = 0.5  # a range that is known counts where its upper half is reached ...
_FILLED_16_BIT = 0.125  # ... and 16 bits where most of what they can say is: dark pictures are dark
_FLOAT_RANGES = (1.0, 255.0, 65535.0)
_FILLED_FLOAT = 0.25
_ODD = 0.001  # of the values at either end are not looked at for the range
_SAMPLE = 1_000_000
_MARKS = (-9999.0, -99999.0, -32768.0, -32767.0)  # what rasters without a tag hold where there is nothing
_HUGE = 1e30


@dataclass(frozen=True)
class Scaled:
    """A picture's values in 8 bits.

    Attributes:
        pixels: (H, W) or (H, W, 3) uint8; 0 where there is no data.
        valid: (H, W), False where there is no data; None: there is everywhere.
        note: the range that became 0 to 255, and what was taken for no data.
    """

    pixels: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None
    note: str


def scale(
    values: NDArray[np.generic],
    nodata: float | None = None,
    bits: int = 0,
    seen: NDArray[np.bool_] | None = None,
) -> Scaled:
    """(H, W) or (H, W, 3) of any number type -> 8 bits; see the head of this file.

    Args:
        values: as stored.
        nodata: the value that stands for no data; None: where one of the usual marks is far below all others, that.
        bits: of a value, as the file says; 0: as many as its type has.
        seen: (H, W), where the picture is not transparent; the range is of these.
    """
    mark = mark_of(values) if nodata is None else nodata
    valid = where_valid(values, mark)
    looked_at = valid if seen is None else seen if valid is None else valid & seen
    known = values[looked_at] if looked_at is not None else values.reshape(-1, *values.shape[2:])
    low, high = range_of(known, bits) if known.size else (0.0, 1.0)
    note = f"{low:.6g} to {high:.6g} as 0 to 255" + (f"; {mark:.6g} is no data" if mark is not None else "")
    return Scaled(to_8_bits(values, valid, low, high), valid, note)


def to_8_bits(
    values: NDArray[np.generic], valid: NDArray[np.bool_] | None, low: float, high: float
) -> NDArray[np.uint8]:
    """`low` to `high` as 0 to 255, of (H, W) or (H, W, 3); 0 where there is no data."""
    grey = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if valid is not None:
        grey[~valid] = low
    np.clip((grey - low) * np.float32(255.0 / max(high - low, 1e-30)), 0, 255, out=grey)
    pixels: NDArray[np.uint8] = np.rint(grey).astype(np.uint8)
    return pixels


def without(values: NDArray[np.generic], nodata: float) -> NDArray[np.bool_]:
    """(H, W): False where every band holds the value that stands for no data."""
    differs: NDArray[np.bool_] = values != _as_stored(values, nodata)
    return np.asarray(differs.any(axis=2) if differs.ndim == 3 else differs)


def is_transparency(band: NDArray[np.generic]) -> bool:
    """Return whether a last band, (H, W), can be transparency: most of what is not 0 is the same.

    GDAL marks any fourth band of 8 bits so, near infrared too: the mark in the file proves nothing.
    """
    seen = band[band != 0]
    return not seen.size or bool(np.mean(seen == seen.max()) >= 0.5)


def _as_stored(values: NDArray[np.generic], nodata: float) -> np.generic | float:
    return values.dtype.type(nodata) if values.dtype.kind == "f" else nodata


def where_valid(values: NDArray[np.generic], nodata: float | None) -> NDArray[np.bool_] | None:
    """(H, W) of (H, W) or (H, W, 3): False where there is no data; None: there is everywhere."""
    finite = _finite(values)
    if nodata is not None:
        finite &= without(values, nodata)
    return None if finite.all() else finite


def mark_of(values: NDArray[np.generic]) -> float | None:
    """What stands for no data, though the file does not say so: one of the usual marks, far below all other values."""
    finite = _finite(values)
    return _mark(values[finite]) if values.dtype.kind in "if" and finite.any() else None


def _finite(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    finite = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, np.bool_)
    return np.asarray(finite.all(axis=2)) if finite.ndim == 3 else finite


def _mark(values: NDArray[np.generic]) -> float | None:
    """A usual mark of no data that is far below everything else: bathymetry may reach -9999, but not alone."""
    lowest, highest = float(values.min()), float(values.max())
    if highest > _HUGE:
        return highest
    if lowest not in _MARKS and lowest > -_HUGE:
        return None
    others = values[values != values.min()]
    return lowest if others.size and float(others.min()) > 0.5 * lowest else None


def range_of(values: NDArray[np.generic], bits: int) -> tuple[float, float]:
    """Return the values that become 0 and 255, of pixels (n,) or (n, 3), at least one; `bits` as in `scale`."""
    sample = values[:: max(1, len(values) // _SAMPLE)].ravel()  # whole pixels: every band
    odd = int(sample.size * _ODD)
    ordered = np.partition(sample, sorted({odd, sample.size - 1 - odd}))
    low, high = float(ordered[odd]), float(ordered[sample.size - 1 - odd])
    if low < 0:
        return low, high
    if values.dtype.kind == "f":
        known = [(full, _FILLED_FLOAT) for full in _FLOAT_RANGES]
    elif bits and bits not in (16, 32, 64):
        return 0.0, float(2**bits - 1)
    else:
        depths = _BITS_OF_COLOUR if values.ndim == 2 else _BITS
        known = [(2.0**depth - 1, _FILLED if depth < 16 else _FILLED_16_BIT) for depth in depths]
    return next(((0.0, full) for full, filled in known if full * filled <= high <= full), (low, high))
