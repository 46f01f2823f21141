"""A worker of a Ray cluster: one engine, and a local run's pipeline over a handful of pictures at a time.

Masks go to the output folder, which all machines share; what is to be known of them goes back to the process that
keeps the journal. Both ways as JSON, whose escapes also carry names that are not UTF-8.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from lseg_cli.data.finding import Source
from lseg_cli.data.store import locate, locate_output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError
from lseg_cli.results.records import Done, Embedded, Failed, Item, Result, Stamp
from lseg_cli.runs.options import RunOptions
from lseg_cli.runs.pipeline import Pipeline
from lseg_cli.runs.steps import Steps

_MOST_ATTEMPTS = 2  # of a handful at once: a worker may have died of anything


class Work(Protocol):
    """The work on each item, with all that a worker needs for it: it is pickled."""

    @property
    def options(self) -> RunOptions:
        """The options of the run."""
        ...

    @property
    def choice(self) -> EngineChoice:
        """The engine that a worker opens."""
        ...

    def open(self, threads: int) -> Steps[Any, Any, Result]:
        """The steps of a worker with so many threads of the CPU.

        Raises:
            LsegError: the engine cannot be opened.
        """
        ...


@dataclass(frozen=True)
class Plan:
    """The plan that every worker is given.

    Attributes:
        work: what to do.
        threads: of the CPU, for a worker.
        scratch: a folder that is shared, for what workers tell one another.
        working_folder: the folder in which the command was given: paths may be relative to it.
    """

    work: Work
    threads: int
    scratch: Path
    working_folder: str

    @property
    def stop(self) -> Path:
        """A file; when it is there, no further picture is begun."""
        return self.scratch / "stop"


@dataclass(frozen=True)
class Answer:
    """A worker's answer for a handful of items.

    Attributes:
        records: of the pictures that were begun, in order.
        left: how many were not, for the run is to stop.
        notices: what the user should know.
        device: of the engine.
        precision: of the engine.
        error: a sentence, of what would stop every picture.
        exit_code: of it.
    """

    records: tuple[Result, ...] = ()
    left: int = 0
    notices: tuple[str, ...] = ()
    device: str = ""
    precision: str = ""
    error: str = ""
    exit_code: int = 0

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> "Answer":
        """Return what `dump` wrote as JSON."""
        data = json.loads(text)
        records, notices = tuple(map(_record, data["records"])), tuple(data["notices"])
        return cls(**data | {"records": records, "notices": notices})


class RayWorker:
    """Opens its engine once, and then is called with pictures; Ray starts it again if its process is killed."""

    def __init__(self, plan: Plan) -> None:
        """Opens nothing that can fail: the first call reports errors, which Ray would wrap and retry here."""
        self._plan = plan
        self._notices: list[str] = []
        self._error: LsegError | None = None
        try:
            self._open()
        except LsegError as error:
            self._error = error

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        """`{"number": …, "items": …}` -> `{"answer": …}`; see `dump_items` and `Answer`."""
        if self._error is not None:
            return {"answer": _refusal(self._error)}
        items = _load_items(row["items"])
        try:
            records = tuple(self._records(row["number"], items))
        except LsegError as error:
            return {"answer": _refusal(error)}
        notices, self._notices[:] = tuple(self._notices), []
        left = len(items) - len(records)
        return {"answer": Answer(records, left, notices, self._steps.device, self._steps.precision).dump()}

    def _records(self, number: int, items: list[Item]) -> Iterator[Result]:
        """Process a handful by its number; one by one if workers have died of it, to find out of which picture."""
        plan = self._plan
        with (plan.scratch / str(number)).open("ab") as attempts:
            attempts.write(b".")
            is_dangerous = attempts.tell() > _MOST_ATTEMPTS
        if not is_dangerous:
            yield from self._pipeline.run(items, plan.stop.exists)
            return
        for index, item in enumerate(items):
            mark = plan.scratch / f"{number}-{index}"
            if plan.stop.exists():
                return
            if mark.exists():
                yield Failed(str(item.source.path), "infer", f"A worker died of {item.source.path}; see Ray's logs.")
                continue
            mark.touch()
            yield from self._pipeline.run([item], lambda: False)
            mark.unlink()

    def _open(self) -> None:
        plan, options = self._plan, self._plan.work.options
        try:
            os.chdir(plan.working_folder)
        except OSError as error:
            raise LsegError(
                f"{plan.working_folder} is not on every machine of the cluster ({error.strerror}); start in a shared "
                "folder."
            ) from error
        folder = locate_output(options.out)
        if not folder.is_dir():
            raise LsegError(f"{folder} is not on every machine of the cluster; give a shared folder with -o.")
        self._steps = plan.work.open(plan.threads)
        self._pipeline = Pipeline(self._steps, options.workers or plan.threads, self._notices.append)


def dump_items(items: Sequence[Item]) -> str:
    """Pictures as JSON."""
    rows = []
    for item in items:
        source, kinds = item.source, None if item.kinds is None else sorted(item.kinds)
        rows.append((str(source.path), str(source.root), source.name, item.name, kinds))
    return json.dumps(rows)


def _load_items(text: str) -> list[Item]:
    return [
        Item(Source(locate(path), locate(root), below), name, None if kinds is None else frozenset(kinds))
        for path, root, below, name, kinds in json.loads(text)
    ]


def _record(data: dict[str, Any]) -> Result:
    if "stage" in data:
        return Failed(**data)
    data["file"] = Stamp(**data["file"])
    return Done(**data) if "mask" in data else Embedded(**data)


def _refusal(error: LsegError) -> str:
    return Answer(error=str(error), exit_code=error.exit_code).dump()
