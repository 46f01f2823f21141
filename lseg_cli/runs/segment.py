"""One run over many pictures: what `lseg segment` does between its options and its output."""

import os
import platform
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

from lseg_cli import __version__
from lseg_cli.contract import Engine, GraphSpec
from lseg_cli.data.finding import Source, find_images
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.drawing.palette import recolored
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError, TooManyFailuresError
from lseg_cli.files import atomic
from lseg_cli.inference.batch import choose_batch
from lseg_cli.inference.embedding import as_encoder
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.results.formats import write_coco, write_table
from lseg_cli.results.journal import Journal, JournalLines, remaining
from lseg_cli.results.lock import FolderLock
from lseg_cli.results.names import output_names
from lseg_cli.results.records import Done, Failed, Item
from lseg_cli.runs.failure_limit import FailureLimit
from lseg_cli.runs.options import SegmentJob
from lseg_cli.runs.pipeline import Pipeline
from lseg_cli.runs.plan import Work
from lseg_cli.runs.ray.cluster import RayCluster, RemoteEngine, require_ray
from lseg_cli.runs.ray.worker import Plan

_PACKAGES = (
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "pillow",
    "torch",
    "timm",
    "onnxruntime",
    "tensorrt",
    "ray",
)

# Options that change masks and what lies beside them. Not the device, nor what runs at once: they change the last bits.
_DECISIVE = (
    "imgsz", "save", "formats", "palette", "min_confidence", "min_margin", "top_k", "tile", "overlap",
)  # fmt: skip

OpenEngine = Callable[[EngineChoice], Engine]
ReadSpec = Callable[[str], GraphSpec]


@dataclass
class Summary:
    """Figures of a run so far."""

    total: int
    before: int = 0  # done by an earlier run
    done: int = 0  # by this one
    failed: int = 0
    share: dict[str, float] = field(default_factory=dict)  # summed over pictures, by label
    ignored: float = 0.0
    seconds: float = 0.0
    ms: dict[str, float] = field(default_factory=dict)  # summed over pictures, by stage
    ignores_failures: bool = False

    def add(self, record: Done | Failed) -> None:
        """Counts one picture."""
        if isinstance(record, Failed):
            self.failed += 1
            return
        self.done += 1
        self.ignored += record.ignored
        for name, share in record.share.items():
            self.share[name] = self.share.get(name, 0.0) + share
        for stage, ms in record.ms.items():
            self.ms[stage] = self.ms.get(stage, 0.0) + ms

    def stages(self) -> dict[str, dict[str, float]]:
        """Seconds of each stage and its share of all; stages run side by side, so their sum is above the clock's."""
        total = sum(self.ms.values()) or 1.0
        return {stage: {"seconds": round(ms / 1000, 3), "share": round(ms / total, 4)} for stage, ms in self.ms.items()}

    @property
    def left(self) -> int:
        """Pictures that nobody has looked at."""
        return self.total - self.before - self.done - self.failed

    @property
    def exit_code(self) -> int:
        """0 all good, 3 some failed, 4 all failed."""
        if not self.done + self.before and self.total:
            return 4
        return 3 if self.failed and not self.ignores_failures else 0


class Run:
    """A run that is ready to go: iterate inside a `with` block, which writes run.json whatever happens."""

    def __init__(self, job: SegmentJob, open_engine: OpenEngine, read_spec: ReadSpec | None = None) -> None:
        """Checks what is cheap to check first: labels, pictures, output folder; then opens the engine and embeds.

        Args:
            job: what to do.
            open_engine: takes seconds.
            read_spec: model -> what its engine is, without opening it; for a job that workers of a cluster do.

        Raises:
            LsegError: labels, paths, sizes or folder cannot be used; or as `open_engine`.
            MismatchError: embeddings are to be saved, and the model is an exported graph, which gives masks only.
        """
        self._start = time.perf_counter()
        self.job = job
        self.labels, self.notices = open_labels(job.labels)
        if job.palette not in (None, "none"):
            self.labels = recolored(self.labels, str(job.palette))
        self._work = Work(job, self.labels)
        self._work.check()
        self.folder = self._work.folder()
        self.folder.check(overwrite=True)
        self._items = _share(find_images(job.inputs), job.shard)
        self.summary = Summary(len(self._items), ignores_failures=job.ignore_failures)
        limit = FailureLimit(count=0) if job.fail_fast else job.max_failures
        self._most_failures = None if limit is None else limit.most(len(self._items))
        self._open_engine = open_engine
        self.engine: Engine
        if job.ray is None:
            self.engine = open_engine(replace(job.engine, threads=self._work.threads(len(self._items))))
        elif read_spec is None:
            raise LsegError("A run on a cluster needs to know what the model's engine is without opening it.")
        else:
            require_ray(job.ray, job.engine.device)
            self.engine = RemoteEngine(read_spec(job.engine.model), job.engine.precision)
        if self.folder.needs_features:
            as_encoder(self.engine)  # else it is told before the labels' text encoder takes its time
        embedded = embed_label_set(self.labels, self.engine.spec.model.text, job.templates, EmbeddingCache())
        self.notices += embedded.notices
        self._text, self._vectors = embedded.encoder, embedded.vectors
        self.workers = self._work.workers
        are_many = len(self._items) >= self.workers
        self.steps = self._work.steps(self.engine, self._vectors, self.folder, are_many)
        self._batch = choose_batch(job.batch, self.steps.is_on_cpu, self.engine.spec.max_batch)
        self.streams = self._work.streams(len(self._items)) if self.steps.is_on_cpu else 1

    def __enter__(self) -> "Run":
        """Takes the output folder, and finds out what is left to do.

        Raises:
            LsegError: another process has it, or it holds what must not be replaced.
        """
        self.folder.make()
        self._lock = FolderLock(self.folder.folder, self.folder.shard)
        self.notices += self._lock.acquire()
        try:
            self._begin()
            self._lock.begin()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Writes run.json, and lets others have the folder."""
        self.summary.seconds = round(time.perf_counter() - self._start, 3)
        try:
            if error is None and not self.folder.shard:
                self._write_tables()
            with suppress(LsegError) if error else nullcontext():  # of two errors the first is told
                self.folder.write_json(self.folder.named("run.json"), self._report(_exit_code(error, self.summary)))
        finally:
            self._lock.release()

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Done | Failed]:
        """Segments what is left to do; a broken picture costs itself alone. Results in the order of the pictures.

        Args:
            should_stop: asked between pictures; those in flight are finished.

        Raises:
            LsegError: what would stop every picture, such as a full disk.
            TooManyFailuresError: more than `--max-failures`.
        """
        for record in self._crew().run(self._items, lambda: should_stop() or self._has_failed_too_often):
            self.folder.record(record)
            self.summary.add(record)
            yield record
        if self.job.ray is not None:
            Journal(self.folder).clean()  # after workers that were killed
        if self._has_failed_too_often:
            raise TooManyFailuresError(
                f"{self.summary.failed} of {self.summary.total} pictures failed, more than the {self._most_failures} "
                f"allowed: {self.summary.left} are left; the same command goes on."
            )

    def _crew(self) -> Pipeline | RayCluster:
        """Who does it: threads of this process, or workers elsewhere."""
        if not isinstance(self.engine, RemoteEngine):
            return Pipeline(self.steps, self._batch, self.workers, self.notices.append, self.streams)
        scratch, place, job = self.folder.folder.resolve() / f".ray-{os.getpid()}", str(Path.cwd()), self.job

        def plan(threads: int) -> Plan:
            return Plan(self._work, self._vectors, self._open_engine, threads, scratch, place)

        return RayCluster(str(job.ray), job.ray_workers, plan, self.engine, self.notices.append)

    @property
    def _has_failed_too_often(self) -> bool:
        return self._most_failures is not None and self.summary.failed > self._most_failures

    def _write_tables(self) -> None:
        """What is one file for the whole folder."""
        kinds = {"coco-rle": "coco-rle.json", "coco-panoptic": "coco-panoptic.json", "csv": "results.csv"}
        lines = JournalLines(self.folder.folder)
        for kind in sorted(set(self.job.formats) & set(kinds)):
            with atomic(self.folder.folder / kinds[kind]) as path:
                if kind == "csv":
                    write_table(path, lines, self.labels)
                else:
                    write_coco(path, kind, self.folder.folder, lines, self.folder.categories())

    def _begin(self) -> None:
        """Sets the folder up, and takes out of the items what is done."""
        journal, record = Journal(self.folder), self._record()
        if self.job.overwrite:
            self._lock.check_alone()
            journal.delete()
        else:
            journal.check_place()
        is_other = journal.has_other(record)
        if is_other or not self.job.resume:
            self._set_aside(journal, journal.changes(record) if is_other else "")
        journal.clean()
        journal.read()
        items = remaining(self._items, journal)
        self.summary.before = len(self._items) - len(items)
        self._items = items
        encoder = self._text.model_dump(mode="json")
        self.folder.begin({"encoder": encoder, "templates": self._text.templates, "record": record}, is_new=False)
        if self.summary.before:
            self.notices.append(f"{self.summary.before} of {self.summary.total} pictures were done before.")

    def _set_aside(self, journal: Journal, changes: str) -> None:
        if journal.is_empty():
            return
        self._lock.check_alone()
        place = journal.set_aside()
        why = f"are of another run ({changes} differ)" if changes else "are not resumed"
        self.notices.append(f"The results in {self.folder.folder} {why}: they are in {place} now.")

    def _record(self) -> dict[str, Any]:
        """All that decides what a mask says."""
        job = self.job
        return {
            "labels": self.labels.digest(),
            "text encoder": [self._text.sha256, self._text.templates],
            "model": self.engine.spec.model_sha256,
            "options": {name: getattr(job, name) for name in _DECISIVE} | {"precision": job.engine.precision},
        }

    def _report(self, exit_code: int) -> dict[str, Any]:
        """What run.json says."""
        summary = self.summary
        return {
            "argv": sys.argv,
            "folder": str(Path.cwd()),
            "options": asdict(self.job),
            "labels_sha256": self.labels.digest(),
            "model": {"name": self.engine.spec.model.name, "sha256": self.engine.spec.model_sha256},
            "device": self.engine.device,
            "precision": self.engine.precision,
            "counts": {
                "found": summary.total,
                "done": summary.before + summary.done,
                "failed": summary.failed,
                "done_before": summary.before,
            },
            "seconds": summary.seconds,
            "stages": summary.stages(),
            "exit_code": exit_code,
            "versions": {"lseg": __version__, "python": platform.python_version(), **_versions()},
            "platform": platform.platform(),
        }


def _share(sources: list[Source], shard: tuple[int, int] | None) -> list[Item]:
    """With their names, those of a share: by name, so that shares agree whatever they found, in whatever order."""
    items = [Item(source, name) for source, name in zip(sources, output_names(sources), strict=True)]
    if shard is None:
        return items
    number, count = shard
    return [item for item in items if zlib.crc32(os.fsencode(item.name)) % count == number - 1]


def _exit_code(error: BaseException | None, summary: Summary) -> int:
    if error is None:
        return summary.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 130
    return int(getattr(error, "exit_code", 1))  # of LsegError, and of whatever the command line ends with


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
