"""A run over many pictures into one folder, whatever is done with each of them.

It is here, and here only, that a run takes the folder's lock, keeps its journal, resumes, sets other results aside,
counts failures, stops and says how it ended.
"""

import os
import platform
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

from lseg_cli import __version__
from lseg_cli.data.film_frame import FilmFrame
from lseg_cli.data.finding import Source
from lseg_cli.data.labels import LabelSet
from lseg_cli.errors import LsegError, TooManyFailuresError
from lseg_cli.metrics import Metric
from lseg_cli.results.earlier import EarlierResults, Record
from lseg_cli.results.folder import RUN, OutputFolder
from lseg_cli.results.journal import Journal
from lseg_cli.results.lock import FolderLock
from lseg_cli.results.names import output_names
from lseg_cli.results.records import Done, Failed, Item, Result
from lseg_cli.runs.crew import Crew
from lseg_cli.runs.options import RunOptions
from lseg_cli.runs.shard import Shard
from lseg_cli.runs.summary import Summary

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


@dataclass(frozen=True)
class Job:
    """The job that a command gives a run.

    Attributes:
        verb: what is done with a picture, such as 'segmented'.
        options: of the run.
        output: where the results go.
        items: all of the run's share.
        kinds: the files of each, of `lseg_cli.results.kinds.FILES`.
        crew: who does it.
        model: name and sha256 of the model, as run.json has them.
        record: all that decides what the results say.
        about: what the results are, for labels.json or embeddings.json.
        tables: files that are written of all pictures.
        write_tables: writes such files at the end; notices.
        labels: of the masks; None: there are none.
        notices: what there is to say before it begins; the crew adds to them.
        live: what a camera gives, instead of items; None among it where none has come for now.
    """

    verb: str
    options: RunOptions
    output: OutputFolder
    items: Sequence[Item]
    kinds: frozenset[str]
    crew: Crew
    model: dict[str, str]
    record: Record
    about: dict[str, Any]
    notices: list[str]
    tables: tuple[str, ...] = ()
    write_tables: Callable[[Sequence[str]], list[str]] = lambda _: []
    labels: LabelSet | None = None
    live: Iterator[Item | None] | None = None


class FolderRun:
    """A run that is ready to go: iterate over `run` inside a `with` block, which writes run.json whatever happens.

    Attributes:
        job: what is done.
        summary: figures so far.
        notices: what the user should know so far.
    """

    def __init__(self, job: Job) -> None:
        """Binds a job; nothing is written yet."""
        self._start = time.perf_counter()
        self.job = job
        self.notices = job.notices
        self.summary = Summary(len(job.items), job.options.ignore_failures)
        self._most_failures = job.options.most_failures(len(job.items))
        self._lock = FolderLock(job.output.folder, job.output.shard)
        self._earlier = EarlierResults(job.output)
        self._journal = Journal(job.output)
        self._left: Sequence[Item] = ()
        self._tables: list[str] = []

    def __enter__(self) -> "FolderRun":
        """Takes the output folder, and finds out what is left to do.

        Raises:
            LsegError: another process has it, or it holds what must not be replaced.
        """
        output = self.job.output
        output.make()
        output.check_links(self.job.kinds, self.job.tables)
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
        try:
            with suppress(LsegError, OSError) if error else nullcontext():
                self._journal.end(is_whole=error is None and not self.summary.left)
            if error is None and not self.job.output.shard:
                self.notices += self.job.write_tables(self._tables)
            with suppress(LsegError) if error else nullcontext():  # of two errors the first is reported
                report = self._report(exit_code(error, self.summary.exit_code))
                self.job.output.write_json(self.job.output.named(RUN), report)
        finally:
            self._lock.release()

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Result]:
        """Process the pictures that are left, and yield results in their order; only a broken picture is skipped.

        Args:
            should_stop: asked between pictures; those in flight are finished.

        Raises:
            LsegError: what would stop every picture, such as a full disk.
            TooManyFailuresError: more than the options allow.
        """
        items: Iterable[Item | None] = self._left if self.job.live is None else self.job.live
        for result in self.job.crew.run(items, lambda: should_stop() or self._has_failed_too_often):
            result = self._whole(result)  # noqa: PLW2901
            self.job.output.record(result)
            self.summary.add(result)
            if self.job.live is not None:
                self.summary.total = self.summary.done + self.summary.failed
            yield result
        if self.job.options.ray is not None:
            self._earlier.clean()  # after workers that were killed
        if self._has_failed_too_often:
            raise TooManyFailuresError(
                f"{self.summary.failed} of {self.summary.total} pictures failed, more than the {self._most_failures} "
                f"allowed: {self.summary.left} are left; run the same command again to go on."
            )

    def metrics(self) -> list[Metric]:
        """Return the figures so far, for `lseg_cli.metrics`; another thread may ask."""
        facts = {"device": self.job.crew.device, "model": self.job.model.get("name", "")}
        return [Metric("lseg_run_info", "What does the work.", 1, labels=facts), *self.summary.metrics()]

    @property
    def _has_failed_too_often(self) -> bool:
        return self._most_failures is not None and self.summary.failed > self._most_failures

    def _begin(self) -> None:
        """Sets the folder up, and finds what is left to do."""
        job, earlier, journal = self.job, self._earlier, self._journal
        earlier.check_foreign(job.tables)
        if job.options.overwrite:
            self._lock.check_alone()
            earlier.delete()
        is_other = earlier.has_other(job.record)
        if is_other or not job.options.resume:
            self._set_aside(earlier.changes(job.record) if is_other else "")
        earlier.clean()
        self.notices += journal.mend()
        settings = {**earlier.settings(), **job.about.get("settings", {})}
        self._drop(earlier.changed_settings(settings))
        journal.read()
        self._left = journal.remaining(job.items, job.kinds)
        for item in self._left:
            if isinstance(item.source.path, FilmFrame):
                item.source.path.film.expect(item.source.path.index)
        self.summary.before = len(job.items) - len(self._left)
        self._tables = sorted({*job.tables, *earlier.tables()})
        job.output.begin({**job.about, "settings": settings, "record": job.record, "tables": self._tables})
        if self.summary.before:
            self.notices.append(f"{self.summary.before} of {self.summary.total} pictures were done before.")

    def _drop(self, kinds: frozenset[str]) -> None:
        """Files that were made with other settings are made again."""
        if not kinds:
            return
        named = ", ".join(sorted(kinds))
        if self.job.output.shard:
            raise LsegError(
                f"The files {named} in {self.job.output.folder} were made with other settings; run once without "
                "--shard, or choose another -o."
            )
        self._lock.check_alone()
        self._earlier.drop(kinds)
        self.notices.append(f"Files of other settings are written again: {named}.")

    def _set_aside(self, changes: str) -> None:
        if self._earlier.is_empty():
            return
        self._lock.check_alone()
        target = self._earlier.set_aside()
        why = f"are of another run ({changes} differ)" if changes else "are not resumed"
        self.notices.append(f"The results in {self.job.output.folder} {why}: they are in {target} now.")

    def _whole(self, result: Result) -> Result:
        """The line of a picture that only got more files names those that were there as well."""
        before = None if isinstance(result, Failed) else self._journal.kept(result.file.path)
        if isinstance(result, Failed) or before is None:
            return result
        kept = {kind: name for kind, name in before.files.items() if kind not in (before.main, *result.files)}
        sizes = {kind: before.sizes[kind] for kind in (before.main, *kept) if kind in before.sizes}
        if isinstance(result, Done):  # the mask is the one that was there
            result = replace(result, mean_confidence=before.mean_confidence)
        return replace(result, files={**kept, **result.files}, sizes={**sizes, **result.sizes})

    def _report(self, code: int) -> dict[str, Any]:
        """Return the content of run.json."""
        job, summary = self.job, self.summary
        counts = {
            "found": summary.total,
            "done": summary.before + summary.done,
            "failed": summary.failed,
            "done_before": summary.before,
        }
        return {
            "argv": sys.argv,
            "folder": str(Path.cwd()),
            "options": asdict(job.options),
            "labels_sha256": job.record.get("labels"),
            "model": job.model,
            "device": job.crew.device,
            "precision": job.crew.precision,
            "counts": counts,
            "seconds": round(time.perf_counter() - self._start, 3),
            "stages": summary.stages(),
            "exit_code": code,
            "versions": {"lseg": __version__, "python": platform.python_version(), **_versions()},
            "platform": platform.platform(),
        }


def share_of(sources: Sequence[Source], shard: Shard | None) -> list[Item]:
    """Items with their names; of a share by name, so that shares agree whatever they found, in whatever order."""
    return shared([Item(source, name) for source, name in zip(sources, output_names(sources), strict=True)], shard)


def shared(items: list[Item], shard: Shard | None) -> list[Item]:
    """The items of a share, by their names."""
    if shard is None:
        return items
    return [item for item in items if zlib.crc32(os.fsencode(item.name)) % shard.shares == shard.number - 1]


def exit_code(error: BaseException | None, otherwise: int) -> int:
    """The exit code of a process that ends with this error, or without one."""
    if error is None:
        return otherwise
    if isinstance(error, KeyboardInterrupt):
        return 130
    code = getattr(error, "exit_code", getattr(error, "code", 1))  # of LsegError, of Typer's and of SystemExit
    return code if isinstance(code, int) else 1


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
