"""Georeferenced rasters of any size, read in windows: GeoTIFF, COG, JPEG 2000, VRT, from disk or from the net.

GDAL reads them, by way of rasterio (the extra `geo`). Values become 8 bits as `lseg_cli.data.values` does it, by one
range for the whole raster, which a sample of it gives.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.values import is_transparency, mark_of, range_of, to_8_bits, where_valid
from lseg_cli.errors import DataError, LsegError
from lseg_cli.extras import require

# GDAL's names. None of them starts a program or asks for more than the file's own address.
DRIVERS = ("GTiff", "JP2OpenJPEG", "VRT", "HFA", "PNG", "JPEG")
SUFFIXES = frozenset({".tif", ".tiff", ".jp2", ".j2k", ".vrt", ".img"})
_REMOTE = ("http://", "https://", "s3://", "gs://", "az://", "/vsi")
_WHOLE_PX = 4_000_000  # a raster of so many pixels is looked at whole for its range, of others:
_GRID, _GRID_PX = 8, 256  # so many windows down and across, of this side
_CACHE_BYTES = 128_000_000  # of decoded blocks; GDAL's own choice grows with the machine
_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class RasterFacts:
    """How a raster is read, for run.json.

    Attributes:
        size: (H, W).
        bands: numbers of those that are read, from 1: one, or three as red, green and blue.
        range: what became 0 and 255; None: 8 bits are taken as they are.
        nodata: the value that stands for no data; None: there is none.
        alpha: number of the band of transparency; 0: there is none.
        crs: as the file has it; '' without.
    """

    size: tuple[int, int]
    bands: tuple[int, ...]
    range: tuple[float, float] | None
    nodata: float | None
    alpha: int
    crs: str


class Raster:
    """An open raster.

    Attributes:
        facts: how it is read.
        place: CRS, transform and ground control points, as rasterio takes them for a file to write.
    """

    def __init__(self, dataset: Any, bands: Sequence[int] = (), value_range: tuple[float, float] | None = None) -> None:
        """Find out how the raster is to be read.

        Args:
            dataset: rasterio's.
            bands: as in `RasterFacts`; none: by their colour interpretation.
            value_range: what becomes 0 and 255; None: by a sample.

        Raises:
            LsegError: bands that are not there, or that must be chosen.
            DataError: it cannot be read.
        """
        self._dataset = dataset
        meant = [each.name for each in dataset.colorinterp]
        self._palette = self._read_palette(meant) if not bands else None
        chosen = tuple(bands) or _bands_by_colour(dataset.name, meant)
        if missing := [band for band in chosen if not 1 <= band <= dataset.count]:
            raise LsegError(f"{dataset.name} has no band {missing[0]}; it has {dataset.count} (--bands).")
        self._check_type(chosen)
        alpha = next((number for number, name in enumerate(meant, 1) if name == "alpha" and number not in chosen), 0)
        self._bands = chosen
        self._own_mask = "per_dataset" in {flag.name for flag in dataset.mask_flag_enums[0]} and not alpha
        sample = self._sample((*chosen, alpha) if alpha else chosen)
        if alpha and not is_transparency(sample[:, -1:]):  # GDAL marks any fourth band of 8 bits so
            alpha = 0
        values = sample[:, : len(chosen)].reshape(-1, 1, len(chosen))
        nodata = dataset.nodatavals[chosen[0] - 1]
        nodata = mark_of(values) if nodata is None or np.isnan(nodata) else nodata
        if value_range is None and values.dtype != np.uint8:
            valid = where_valid(values, nodata)
            known = values if valid is None else values[valid]
            known = known.reshape(-1, len(chosen)) if len(chosen) > 1 else known.ravel()
            value_range = range_of(known, self._bits(chosen[0])) if known.size else (0.0, 1.0)
        size = (dataset.height, dataset.width)
        crs = dataset.crs or (dataset.gcps[1] if dataset.gcps[0] else None)
        self.facts = RasterFacts(size, chosen, value_range, nodata, alpha, str(crs or ""))
        self.place: dict[str, Any] = {"crs": crs}
        if dataset.gcps[0] and not dataset.crs:
            self.place["gcps"] = dataset.gcps[0]
        elif not dataset.transform.is_identity:
            self.place["transform"] = dataset.transform

    def read(self, rows: slice, columns: slice) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """A part: (h, w, 3) RGB, and (h, w) False where there is no data, None where there is everywhere.

        Raises:
            DataError: it cannot be read.
        """
        facts = self.facts
        values = self._read(self._bands, rows, columns)
        valid = where_valid(values, facts.nodata)
        if facts.alpha:
            valid = _both(valid, self._read((facts.alpha,), rows, columns)[..., 0] > 0)
        if self._own_mask:
            with _reading(self._dataset.name):
                valid = _both(valid, self._dataset.dataset_mask(window=_window(rows, columns)) > 0)
        if self._palette is not None:
            return self._palette[values[..., 0]], valid
        pixels = values if facts.range is None else to_8_bits(values, valid, *facts.range)
        rgb: NDArray[np.uint8] = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        return rgb.astype(np.uint8, copy=False), valid

    def _read(self, bands: Sequence[int], rows: slice, columns: slice) -> NDArray[Any]:
        """(h, w, bands)."""
        with _reading(self._dataset.name):
            values: NDArray[Any] = self._dataset.read([*bands], window=_window(rows, columns))
        return np.ascontiguousarray(values.transpose(1, 2, 0))

    def _read_palette(self, meant: Sequence[str]) -> NDArray[np.uint8] | None:
        """(256, 3), where the first band holds numbers of colours."""
        if meant[:1] != ["palette"]:
            return None
        table = np.zeros((256, 3), np.uint8)
        for number, color in self._dataset.colormap(1).items():
            table[number] = color[:3]
        return table

    def _check_type(self, bands: Sequence[int]) -> None:
        kinds = {np.dtype(self._dataset.dtypes[band - 1]) for band in bands}
        if any(kind.kind not in "uif" for kind in kinds):
            raise DataError(f"{self._dataset.name} holds complex numbers, which are not read.")

    def _bits(self, band: int) -> int:
        text = self._dataset.tags(band, ns="IMAGE_STRUCTURE").get("NBITS", "")
        return int(text) if text.isdecimal() else 8 * np.dtype(self._dataset.dtypes[band - 1]).itemsize

    def _sample(self, bands: Sequence[int]) -> NDArray[Any]:
        """(n, bands): the raster, or windows spread evenly over it."""
        height, width = self._dataset.height, self._dataset.width
        if height * width <= _WHOLE_PX:
            parts = [self._read(bands, slice(0, height), slice(0, width))]
        else:
            parts = [self._read(bands, rows, columns) for rows in _spread(height) for columns in _spread(width)]
        return np.concatenate([part.reshape(-1, len(bands)) for part in parts])


@contextmanager
def open_raster(
    source: str, bands: Sequence[int] = (), value_range: tuple[float, float] | None = None
) -> Iterator[Raster]:
    """Open a raster; the rest as `Raster`.

    Args:
        source: a path, or an address that GDAL knows, such as https:// or s3://.
        bands: see `Raster`.
        value_range: see `Raster`.

    Raises:
        MissingError: rasterio is not installed.
        LsegError: as `Raster`.
        DataError: it is not there, or not a raster of `DRIVERS`.
    """
    require("geo", "lseg map")
    import rasterio.io  # noqa: PLC0415  an extra

    # Of a file of the net its folder is not listed first.
    remote = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"} if is_remote(source) else {}
    with gdal(**remote):
        with _reading(source):
            dataset = rasterio.io.DatasetReader(source, driver=[*DRIVERS])
        with dataset:
            yield Raster(dataset, bands, value_range)


@contextmanager
def gdal(**settings: str) -> Iterator[None]:
    """GDAL as this tool uses it: a cache of one size everywhere, and no remark where a raster has no place on Earth."""
    import rasterio  # noqa: PLC0415  an extra
    from rasterio.errors import NotGeoreferencedWarning  # noqa: PLC0415

    with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES, **settings):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def is_remote(source: str) -> bool:
    """Whether it is an address, not a path."""
    return source.startswith(_REMOTE)


def find_rasters(inputs: Sequence[str]) -> list[str]:
    """The rasters that inputs name; of a folder those in it, by their names' endings, sorted.

    Raises:
        DataError: there is no such file, or no raster in a folder.
    """
    found: list[str] = []
    for text in inputs:
        path = Path(text)
        if is_remote(text) or path.is_file():
            found.append(text)
        elif path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES and each.is_file())
            if not inside:
                raise DataError(f"{path} holds no raster: no file ends in {', '.join(sorted(SUFFIXES))}.")
            found += map(str, inside)
        else:
            raise DataError(f"{path} is not there.")
    return found


@contextmanager
def _reading(name: str) -> Iterator[None]:
    from rasterio.errors import RasterioError  # noqa: PLC0415  an extra

    try:
        yield
    except (RasterioError, OSError, ValueError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"{name} cannot be read as a raster: {said}.") from error


def _bands_by_colour(name: str, meant: Sequence[str]) -> tuple[int, ...]:
    if all(colour in meant for colour in _COLOURS):
        return tuple(meant.index(colour) + 1 for colour in _COLOURS)
    if sum(each != "alpha" for each in meant) == 1:
        return (next(number for number, each in enumerate(meant, 1) if each != "alpha"),)
    raise LsegError(
        f"{name} holds {len(meant)} bands that are not marked as red, green and blue; say which are, such as "
        "--bands 3,2,1."
    )


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    valid = other if one is None else one & other
    return None if valid.all() else valid


def _spread(length: int) -> list[slice]:
    side = min(_GRID_PX, length)
    starts = sorted({round(number * (length - side) / (_GRID - 1)) for number in range(_GRID)})
    return [slice(start, start + side) for start in starts]


def _window(rows: slice, columns: slice) -> tuple[tuple[int, int], tuple[int, int]]:
    return (rows.start, rows.stop), (columns.start, columns.stop)
