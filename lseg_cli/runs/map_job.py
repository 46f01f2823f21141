"""One raster of `lseg map`: segmented window by window, resumed after the last row of windows that is done."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.labels import LabelSet
from lseg_cli.data.rasters import Raster, RasterFacts, is_remote, open_raster
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.inference.tiling import Part, Span, Tiling, segment_parts
from lseg_cli.results.geotiff import Layer, MapParts, Strip, as_shares, key_of, layers_of
from lseg_cli.results.map_outlines import OUTLINES, write_outlines
from lseg_cli.runs.map_options import MapOptions


@dataclass(frozen=True)
class MapWork:
    """What is the same for all rasters of a run."""

    options: MapOptions
    labels: LabelSet
    segmenter: Segmenter
    tiling: Tiling
    key: dict[str, Any]  # all that decides the values, but for the raster

    @property
    def layers(self) -> list[Layer]:
        """The files of a raster, the mask last."""
        return layers_of(self.labels, self.options.save, self.options.palette != "none")


class MapJob:
    """One raster."""

    def __init__(self, source: str, name: str, facts: RasterFacts, work: MapWork) -> None:
        """Name the results.

        Raises:
            LsegError: they are there, and of another run or of none.
        """
        self.source, self.name, self.facts = source, name, facts
        self._work, self._out = work, Path(work.options.out)
        key = {**work.key, **asdict(facts), "source": _stamp(source)}
        self.key = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        rows, columns = (work.tiling.spans(side) for side in facts.size)
        self._rows, self.windows = rows, len(rows) * len(columns)
        self._columns = len(columns)
        self.pixels: dict[str, int] = {}
        self.seconds = 0.0
        layers = [layer.file_name(name) for layer in work.layers]
        self._outlines = [name + OUTLINES[each] for each in work.options.formats]
        self.files = [*self._outlines, *layers]
        self._parts = MapParts(self._out, name, work.layers, facts.size, self.key)
        self.is_done = self._check_targets()

    def _check_targets(self) -> bool:
        """Whether the results are there already, of this very run."""
        mask = self._out / self.files[-1]
        there = [each for each in self.files if (self._out / each).exists()]
        known = key_of(mask) if mask.exists() else None
        if not there or self._parts.is_publishing:
            return False
        if known is None:
            raise LsegError(f"{self._out / there[0]} is there, and no lseg map wrote it: take another -o.")
        if known == self.key:
            return len(there) == len(self.files)
        if not self._work.options.overwrite:
            raise LsegError(
                f"{mask} is of another run (options, labels, model or raster differ): --overwrite replaces it, or take "
                "another -o."
            )
        return False

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """Do what is left; yields once for each window, those of earlier runs too.

        Raises:
            DataError: the raster cannot be read, or results cannot be written.
            StoppedError: `should_stop` said so; the rows of windows that are done are kept.
        """
        started = time.monotonic()
        options = self._work.options
        with open_raster(self.source, options.bands, options.range) as raster:
            if self._parts.is_publishing:
                self._parts.finish(self._outlines)
            if not (self._out / self.files[-1]).exists() or key_of(self._out / self.files[-1]) != self.key:
                yield from self._segment(raster, should_stop)
            else:  # outlines are to be added
                yield from range(self.windows)
                self._draw_outlines(self._out / self.files[-1], self._out)
        self.seconds = round(time.monotonic() - started, 3)

    def _segment(self, raster: Raster, should_stop: Callable[[], bool]) -> Iterator[int]:
        work, parts = self._work, self._parts
        done = parts.begin()
        yield from range(done * self._columns)
        window = _Window(raster)
        found = segment_parts(work.segmenter, work.tiling, self.facts.size, window.read, done)
        if done < len(self._rows):
            for row, cells in groupby(found, key=lambda part: part.row):
                with parts.strip(row, slice(self._rows[row].low, self._rows[row].cell)) as strip:
                    for cell in cells:
                        self._write(strip, cell, window.valid(cell))
                        yield cell.columns.stop
                        if should_stop():
                            raise StoppedError("Stopped; the rows of windows that are done are kept.")
        counts = parts.publish(raster.place, work.labels, [span.low for span in self._rows])
        names = {label.id: label.name for label in work.labels.labels}
        self.pixels = {names.get(value, "no data"): count for value, count in counts.items()}
        self._draw_outlines(parts.joined(work.layers[-1]), parts.folder)
        parts.finish(self._outlines)

    def _write(self, strip: Strip, cell: Part, valid: NDArray[np.bool_] | None) -> None:
        mask = self._work.layers[-1]
        ids = np.array(self._work.labels.ids, mask.dtype)[cell.best[:1].astype(np.intp)]
        if valid is not None:
            ids[0, ~valid] = mask.nodata
        strip.write("mask", ids, cell.rows, cell.columns)
        if cell.probability is None:
            return
        if "conf" in self._work.options.save:
            strip.write("conf", as_shares(cell.probability[:1], valid), cell.rows, cell.columns)
        if "probs" in self._work.options.save:
            by_label = np.empty_like(cell.probability)
            np.put_along_axis(by_label, cell.best.astype(np.intp), cell.probability, axis=0)
            strip.write("probs", as_shares(by_label, valid), cell.rows, cell.columns)

    def _draw_outlines(self, mask: Path, folder: Path) -> None:
        for name in self._outlines:
            if not (folder / name).exists():
                with atomic(folder / name) as draft:
                    typed = draft.with_suffix(Path(name).suffix)  # GDAL looks at the ending
                    try:
                        write_outlines(mask, typed, self._work.labels)
                        typed.replace(draft)
                    finally:
                        typed.unlink(missing_ok=True)


class StoppedError(LsegError):
    """A signal came; the command ends with its exit code."""


class _Window:
    """The tile that was read last: its pixels go to the network, where it has data is asked for afterwards."""

    def __init__(self, raster: Raster) -> None:
        self._raster = raster
        self._valid: NDArray[np.bool_] | None = None
        self._corner = (0, 0)

    def read(self, down: Span, across: Span) -> Image.Image | None:
        pixels, valid = self._raster.read(slice(down.start, down.stop), slice(across.start, across.stop))
        self._valid, self._corner = valid, (down.start, across.start)
        return None if valid is not None and not valid.any() else Image.fromarray(pixels)

    def valid(self, part: Part) -> NDArray[np.bool_] | None:
        """(h, w) of a part of this tile."""
        if self._valid is None:
            return None
        top, left = self._corner
        rows = slice(part.rows.start - top, part.rows.stop - top)
        valid = self._valid[rows, part.columns.start - left : part.columns.stop - left]
        return None if valid.all() else valid


def _stamp(source: str) -> list[Any]:
    """Which raster, and in which state, as far as can be told."""
    if is_remote(source):
        return [source]
    path = Path(source)
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
