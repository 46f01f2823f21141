"""A raster's results as GeoTIFF: written in strips that are whole or not there, and put together at the end.

OUT/.NAME.parts/00012.mask.tif   a row of tiles that is done; the mask is the last of its files to appear
OUT/.NAME.parts/state.json       of which run they are
OUT/NAME.tif, NAME.conf.tif, NAME.probs.tif   tiled, compressed, with overviews, CRS, transform, nodata

A TIFF that is being written when the process dies cannot be trusted; a strip that was renamed can.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.labels import LabelSet
from lseg_cli.data.rasters import gdal
from lseg_cli.drawing.palette import colors
from lseg_cli.errors import DataError
from lseg_cli.files import atomic, writing
from lseg_cli.reading import parse_json, read_text, reading

KEY = "LSEG_RUN"  # a tag: what decided the values
LABELS = "LSEG_LABELS"  # a tag: names by id, as JSON
FULL, NO_SHARE = 254, 255  # confidence 1; nodata of shares
_STATE, _MOST_BYTES = "state.json", 1_000_000
_BLOCK_PX = 512  # of the results' tiles
_COLUMNS_PX = 16 * _BLOCK_PX  # that are copied at once
_OVERVIEW_PX = 1024  # sides above get overviews


@dataclass(frozen=True)
class Layer:
    """One file of results.

    Attributes:
        kind: mask, conf or probs.
        bands: how many.
        dtype: of a value.
        nodata: the value of pixels without data.
        descriptions: of the bands.
        colormap: RGB by value; none: it has no colour table.
    """

    kind: str
    bands: int
    dtype: str
    nodata: int
    descriptions: tuple[str, ...]
    colormap: Mapping[int, tuple[int, int, int]] | None = None

    def file_name(self, name: str) -> str:
        """Of a raster's results."""
        return f"{name}.tif" if self.kind == "mask" else f"{name}.{self.kind}.tif"


def layers_of(labels: LabelSet, save: Sequence[str], has_colors: bool = True) -> list[Layer]:
    """Return the files of a raster, the mask last.

    Args:
        labels: of the mask.
        save: conf, probs.
        has_colors: the mask gets a colour table.
    """
    ignore = labels.ignore_id
    dtype = "uint8" if ignore == 255 else "uint16"
    colormap = dict(zip(labels.ids, colors(labels), strict=True)) if has_colors else None
    found = [Layer("conf", 1, "uint8", NO_SHARE, ("confidence",))] if "conf" in save else []
    if "probs" in save:
        found.append(Layer("probs", len(labels.labels), "uint8", NO_SHARE, labels.names))
    return [*found, Layer("mask", 1, dtype, ignore, ("label",), colormap)]


def as_shares(probability: NDArray[np.float32], valid: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Probabilities (K, h, w) as 0 to 254, 255 where there is no data; the band's scale is 1/254."""
    shares: NDArray[np.uint8] = np.rint(probability * np.float32(FULL)).astype(np.uint8)
    if valid is not None:
        shares[:, ~valid] = NO_SHARE
    return shares


class MapParts:
    """The strips of one raster's results that are done."""

    def __init__(self, out: Path, name: str, layers: Sequence[Layer], size: tuple[int, int], key: str) -> None:
        """Nothing is made yet.

        Args:
            out: folder of the results.
            name: of the raster's results.
            layers: what is written, the mask last.
            size: (H, W) of the raster.
            key: all that decides the values.
        """
        self.folder = out / f".{name}.parts"
        self._out, self._name, self._layers, self._size, self._key = out, name, layers, size, key

    def begin(self) -> int:
        """Make the folder, or take up one of this very run; the number of strips that are done.

        Strips of other options or of another state of the raster are deleted.
        """
        with writing(self.folder):
            if self._state().get("key") != self._key:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir(parents=True)
                self._write_state({"key": self._key, "publishing": False})
        done = 0
        while self._path(done, self._layers[-1]).is_file():
            done += 1
        return done

    @property
    def is_publishing(self) -> bool:
        """Whether the strips became results, and the process died before all of these had their place."""
        state = self._state()
        return state.get("key") == self._key and bool(state.get("publishing"))

    @contextmanager
    def strip(self, number: int, rows: slice) -> "Iterator[Strip]":
        """A strip to be written; it is there, whole, after the block."""
        with ExitStack() as drafts:
            size = (rows.stop - rows.start, self._size[1])
            opened = {}
            for layer in reversed(self._layers):  # what is entered first, the mask, has its name last
                draft = drafts.enter_context(atomic(self._path(number, layer), layer.kind))
                opened[layer.kind] = drafts.enter_context(_create(draft, layer, size, {}))
            yield Strip(opened, rows.start)

    def publish(self, place: Mapping[str, Any], labels: LabelSet, starts: Sequence[int]) -> dict[int, int]:
        """Put the strips together, and name the results; gives the number of pixels by mask value.

        Args:
            place: of the raster, see `Raster`.
            labels: of the mask.
            starts: first row of each strip.
        """
        tags = {KEY: self._key, LABELS: json.dumps({label.id: label.name for label in labels.labels})}
        counts: dict[int, int] = {}
        with writing(self._out / self._name):
            for layer in self._layers:
                counts = self._join(layer, place, tags, starts)
        return counts

    def finish(self, more: Sequence[str]) -> None:
        """Give the results their names, the mask last, and delete the strips; `more`: other files in the folder."""
        with writing(self._out / self._name):
            self._write_state({"key": self._key, "publishing": True})
            for name in (*more, *(layer.file_name(self._name) for layer in self._layers)):
                if (self.folder / name).exists():  # else the process died after this one had its name
                    (self.folder / name).replace(self._out / name)
            shutil.rmtree(self.folder)

    def joined(self, layer: Layer) -> Path:
        """A result before it has its name."""
        return self.folder / layer.file_name(self._name)

    def _join(
        self, layer: Layer, place: Mapping[str, Any], tags: Mapping[str, str], starts: Sequence[int]
    ) -> dict[int, int]:
        import rasterio  # noqa: PLC0415  an extra

        counts = np.zeros(np.iinfo(layer.dtype).max + 1, np.int64)
        height, width = self._size
        paths = [self._path(number, layer) for number in range(len(starts))]
        with _create(self.joined(layer), layer, self._size, place, tags) as target, ExitStack() as opened:
            strips: dict[int, Any] = {}
            for top in range(0, height, _BLOCK_PX):
                bottom = min(top + _BLOCK_PX, height)
                for number, (first, last) in enumerate(zip(starts, (*starts[1:], height), strict=True)):
                    if first < bottom and last > top and number not in strips:
                        strips[number] = opened.enter_context(rasterio.open(paths[number]))
                    elif last <= top and number in strips:
                        strips.pop(number).close()
                for left in range(0, width, _COLUMNS_PX):
                    right = min(left + _COLUMNS_PX, width)
                    values = _stacked(strips, starts, (top, bottom), (left, right))
                    target.write(values, window=((top, bottom), (left, right)))
                    counts += np.bincount(values.ravel(), minlength=len(counts))
        _add_overviews(self.joined(layer), max(self._size))
        return {int(value): int(counts[value]) for value in counts.nonzero()[0]}

    def _path(self, number: int, layer: Layer) -> Path:
        return self.folder / f"{number:05}.{layer.kind}.tif"

    def _state(self) -> dict[str, Any]:
        """What the folder says of itself; nothing if it is not there."""
        path = self.folder / _STATE
        if not path.is_file():
            return {}
        with reading(path, "is not the state of a map", DataError):
            known: dict[str, Any] = parse_json(read_text(path, _MOST_BYTES))
            return dict(known)

    def _write_state(self, state: Mapping[str, Any]) -> None:
        with atomic(self.folder / _STATE) as draft:
            draft.write_text(json.dumps(state), encoding="utf-8")


class Strip:
    """The open files of a strip."""

    def __init__(self, files: Mapping[str, Any], top: int) -> None:
        """`top`: its first row in the raster."""
        self._files, self._top = files, top

    def write(self, kind: str, values: NDArray[np.generic], rows: slice, columns: slice) -> None:
        """Write a part, (K, h, w), at its place in the raster."""
        window = (rows.start - self._top, rows.stop - self._top), (columns.start, columns.stop)
        self._files[kind].write(values, window=window)


def key_of(path: Path) -> str | None:
    """What decided the values of a result; None of a file that no run wrote."""
    import rasterio  # noqa: PLC0415  an extra
    from rasterio.errors import RasterioError  # noqa: PLC0415

    try:
        with gdal(), rasterio.open(path, driver="GTiff") as dataset:
            key: str | None = dataset.tags().get(KEY)
            return key
    except (RasterioError, OSError):
        return None


def _stacked(
    strips: Mapping[int, Any], starts: Sequence[int], rows: tuple[int, int], columns: tuple[int, int]
) -> NDArray[np.generic]:
    """(K, h, w) of some rows, which lie in one strip or in several."""
    parts = []
    for number, dataset in sorted(strips.items()):
        top, bottom = max(rows[0] - starts[number], 0), min(rows[1] - starts[number], dataset.height)
        if top < bottom:
            parts.append(dataset.read(window=((top, bottom), columns)))
    return np.concatenate(parts, axis=1)


@contextmanager
def _create(
    path: Path,
    layer: Layer,
    size: tuple[int, int],
    place: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
) -> Iterator[Any]:
    import rasterio  # noqa: PLC0415  an extra
    from rasterio.errors import RasterioError  # noqa: PLC0415

    profile = {
        "driver": "GTiff", "height": size[0], "width": size[1], "count": layer.bands, "dtype": layer.dtype,
        "nodata": layer.nodata, "compress": "deflate", "zlevel": 6 if tags else 1, "bigtiff": "if_safer",
        "interleave": "band", "tiled": True, "blockxsize": _BLOCK_PX, "blockysize": _BLOCK_PX, **place,
    }  # fmt: skip
    try:
        with rasterio.open(path, "w", **profile) as dataset:
            if tags:
                dataset.update_tags(**tags)
                dataset.descriptions = layer.descriptions
                if layer.colormap:
                    dataset.write_colormap(1, layer.colormap)
                if layer.kind != "mask":
                    dataset.scales = (1 / FULL,) * layer.bands
            yield dataset
    except RasterioError as error:
        raise DataError(f"{path} cannot be written: {' '.join(str(error).split())}.") from error


def _add_overviews(path: Path, side: int) -> None:
    """Smaller copies inside the file, with which a viewer shows the whole at once."""
    import rasterio  # noqa: PLC0415  an extra
    from rasterio.enums import Resampling  # noqa: PLC0415

    factors = [2**power for power in range(1, 16) if side / 2 ** (power - 1) > _OVERVIEW_PX]
    if factors:
        with rasterio.open(path, "r+", COMPRESS_OVERVIEW="DEFLATE") as dataset:
            dataset.build_overviews(factors, Resampling.nearest)
