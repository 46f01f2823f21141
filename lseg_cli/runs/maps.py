"""What `lseg map` does: rasters of any size, window by window, at constant memory, into rasters with the same place.

Windows are the tiles of `lseg_cli.inference.tiling`, blended where they overlap. A row of them that is done is on disk;
a run that was stopped begins with the first that is not.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.labels import LabelSet
from lseg_cli.data.rasters import Raster, RasterFacts, find_rasters, is_remote, open_raster
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.drawing.palette import colors, recolored
from lseg_cli.errors import DataError, LsegError
from lseg_cli.extras import require
from lseg_cli.files import atomic
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.inference.segmenter import PixelOutputs, Segmenter
from lseg_cli.inference.tiling import Part, Span, Tiling, segment_parts
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.reading import parse_json, read_text, reading
from lseg_cli.results.geotiff import Layer, MapParts, Strip, as_shares, key_of, layers_of
from lseg_cli.results.lock import FolderLock
from lseg_cli.results.map_outlines import OUTLINES, write_outlines
from lseg_cli.runs.map_options import MapOptions
from lseg_cli.runs.pictures import OpenEngine, count_cores

RUN = "run.json"
_COMMAND = "map"
_MOST_BYTES = 100_000_000


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


class MapRun:
    """A run that is ready to go, within a `with` block, which has the folder for itself.

    Attributes:
        jobs: what is to be done, done already or not.
        failures: why a raster is left out, by its name as given.
        notices: what the user should know.
    """

    def __init__(
        self, options: MapOptions, jobs: Sequence[MapJob], failures: dict[str, str], notices: list[str], model: Any
    ) -> None:
        """Nothing is written yet."""
        self.options, self.jobs, self.failures, self.notices, self._model = options, jobs, failures, notices, model
        self._out = Path(options.out)
        self._lock = FolderLock(self._out)

    def __enter__(self) -> "MapRun":
        """Take the folder; raises LsegError if another process has it."""
        self._out.mkdir(parents=True, exist_ok=True)
        self.notices += self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Let others have it."""
        self._lock.release()

    def record(self, exit_code: int) -> None:
        """Write run.json; what earlier runs said of other rasters stays."""
        known = read_run(self._out)
        for job in self.jobs:
            if job.pixels:
                facts = {"source": job.source, "files": job.files, **asdict(job.facts), "pixels": job.pixels}
                known[job.name] = {**facts, "windows": job.windows, "seconds": job.seconds}
        report = {
            "command": _COMMAND,
            "argv": sys.argv,
            "options": asdict(self.options),
            "model": self._model,
            "maps": known,
            "failures": self.failures,
            "exit_code": exit_code,
        }
        with atomic(self._out / RUN) as draft:
            draft.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_run(out: Path) -> dict[str, Any]:
    """What the folder's run.json says of each raster.

    Raises:
        LsegError: it is another command's.
        DataError: it cannot be read.
    """
    path = out / RUN
    if not path.exists():
        return {}
    with reading(path, "is not the record of a run", DataError):
        report = dict(parse_json(read_text(path, _MOST_BYTES)))
    if report.get("command") != _COMMAND:
        raise LsegError(f"{out} holds the results of another command: take another -o.")
    return dict(report.get("maps", {}))


def open_maps(options: MapOptions, open_engine: OpenEngine) -> MapRun:
    """A run that is ready to go: what is cheap is checked first, then the engine is opened.

    Args:
        options: what to do.
        open_engine: an engine of a choice; seconds.

    Raises:
        MissingError: rasterio is not installed.
        LsegError: labels, bands, sizes or folder cannot be used; two rasters have one name; or as `open_engine`.
        DataError: no raster is there.
    """
    require("geo", "lseg map")
    labels, notices = open_labels(options.labels)
    if options.palette not in (None, "none"):
        labels, more = recolored(labels, str(options.palette))
        notices = [*notices, *more]
    tiling = Tiling.of(options.tile, options.overlap)
    if tiling is None:
        raise LsegError("A map is cut into tiles: give --tile.")
    read_run(Path(options.out))
    named = _named(find_rasters(options.inputs))
    facts, failures = _look(named, options)
    engine = open_engine(options.engine)
    spec = engine.spec
    text = embed_label_set(labels, spec.model.text, options.templates, EmbeddingCache())
    notices = [*notices, *text.notices]
    count = len(labels.labels)
    outputs = PixelOutputs(count if "probs" in options.save else 1, probability=bool(options.save))
    threads = count_cores(options.engine.threads)
    segmenter = Segmenter(engine, text.vectors, options.imgsz, outputs, threads)
    key = {
        "model": spec.model_sha256,
        "labels": labels.digest(),
        "colors": None if options.palette == "none" else colors(labels),
        "text encoder": [text.encoder.sha256, text.encoder.templates],
        "options": [options.tile, tiling.overlap_px, options.imgsz, options.engine.precision, options.save],
    }
    work = MapWork(options, labels, segmenter, tiling, key)
    jobs = [MapJob(named[name], name, each, work) for name, each in facts.items()]
    return MapRun(options, jobs, failures, notices, {"name": spec.model.name, "sha256": spec.model_sha256})


def _look(named: dict[str, str], options: MapOptions) -> tuple[dict[str, RasterFacts], dict[str, str]]:
    """How each raster is read, and why some are not."""
    facts: dict[str, RasterFacts] = {}
    failures: dict[str, str] = {}
    for name, source in named.items():
        try:
            with open_raster(source, options.bands, options.range) as raster:
                facts[name] = raster.facts
        except DataError as error:
            failures[source] = str(error)
    return facts, failures


def _named(sources: Sequence[str]) -> dict[str, str]:
    """Sources by the name of their results."""
    named: dict[str, str] = {}
    for source in sources:
        name = Path(source.partition("?")[0] if is_remote(source) else source).stem
        if name in named:
            raise LsegError(f"{named[name]} and {source} would both become {name}.tif: run them into two folders.")
        named[name] = source
    return named


def _stamp(source: str) -> list[Any]:
    """Which raster, and in which state, as far as can be told."""
    if is_remote(source):
        return [source]
    path = Path(source)
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
