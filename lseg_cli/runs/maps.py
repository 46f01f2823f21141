"""What `lseg map` does: rasters of any size, window by window, at constant memory, into rasters with the same place.

Windows are the tiles of `lseg_cli.inference.tiling`, blended where they overlap. A row of them that is done is on disk;
a run that was stopped begins with the first that is not.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lseg_cli.data.rasters import RasterFacts, find_rasters, is_remote, open_raster
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.drawing.palette import colors, recolored
from lseg_cli.errors import DataError, LsegError
from lseg_cli.extras import require
from lseg_cli.files import atomic
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.inference.segmenter import PixelOutputs, Segmenter
from lseg_cli.inference.tiling import Tiling
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.reading import parse_json, read_text, reading
from lseg_cli.results.lock import FolderLock
from lseg_cli.runs.map_job import MapJob, MapWork
from lseg_cli.runs.map_options import MapOptions
from lseg_cli.runs.pictures import OpenEngine, count_cores

RUN = "run.json"
_COMMAND = "map"
_MOST_BYTES = 100_000_000


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
