"""What a worker of a Ray cluster does: one engine, and a local run's pipeline over a handful of pictures at a time.

Masks go to the output folder, which all machines share; what is to be known of them goes back to the process that
keeps the journal. Both ways as JSON, whose escapes also carry names that are no UTF-8.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lseg_cli.contract import Engine
from lseg_cli.data.finding import Source
from lseg_cli.data.store import locate
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError
from lseg_cli.inference.batch import choose_batch
from lseg_cli.results.records import Done, Failed, Item, Stamp
from lseg_cli.runs.pipeline import Pipeline
from lseg_cli.runs.plan import Work

_MOST_ATTEMPTS = 2  # of a handful at once: a worker may have died of anything


@dataclass(frozen=True)
class Plan:
    """What every worker is given.

    Attributes:
        work: what to do.
        vectors: (N, C) of the labels, so that no worker needs a text encoder.
        open_engine: as in `Run`.
        threads: of the CPU, for a worker.
        scratch: a folder that is shared, for what workers tell one another.
        place: the folder in which the command was given: paths may be relative to it.
    """

    work: Work
    vectors: NDArray[np.float32]
    open_engine: Callable[[EngineChoice], Engine]
    threads: int
    scratch: Path
    place: str

    @property
    def stop(self) -> Path:
        """A file; when it is there, no further picture is begun."""
        return self.scratch / "stop"


@dataclass(frozen=True)
class Answer:
    """What comes back of a handful.

    Attributes:
        records: of the pictures that were begun, in order.
        left: how many were not, for the run is to stop.
        notices: what the user should know.
        device: of the engine.
        precision: of the engine.
        error: a sentence, of what would stop every picture.
        exit_code: of it.
    """

    records: tuple[Done | Failed, ...] = ()
    left: int = 0
    notices: tuple[str, ...] = ()
    device: str = ""
    precision: str = ""
    error: str = ""
    exit_code: int = 0

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> "Answer":
        """From JSON."""
        data = json.loads(text)
        records, notices = tuple(map(_record, data["records"])), tuple(data["notices"])
        return cls(**data | {"records": records, "notices": notices})


class RayWorker:
    """Opens its engine once, and then is called with pictures; Ray starts it again if its process is killed."""

    def __init__(self, plan: Plan) -> None:
        """Whatever does not work is told by the first call: Ray would wrap it, and try again."""
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
        return {"answer": Answer(records, left, notices, self._engine.device, self._engine.precision).dump()}

    def _records(self, number: int, items: list[Item]) -> Iterator[Done | Failed]:
        """Of a handful by its number; one by one if workers have died of it, to find out of which picture."""
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
        plan, job = self._plan, self._plan.work.job
        try:
            os.chdir(plan.place)
        except OSError as error:
            raise LsegError(
                f"{plan.place} is not on every machine of the cluster ({error.strerror}); start in a shared folder."
            ) from error
        folder = plan.work.folder()
        if not folder.folder.is_dir():
            raise LsegError(f"{folder.folder} is not on every machine of the cluster; give a shared folder with -o.")
        self._engine = plan.open_engine(replace(job.engine, threads=plan.threads))
        steps = plan.work.steps(self._engine, plan.vectors, folder, are_many=True)
        batch = choose_batch(job.batch, steps.is_on_cpu, self._engine.spec.max_batch)
        self._pipeline = Pipeline(steps, batch, job.workers or plan.threads, self._notices.append)


def dump_items(items: Sequence[Item]) -> str:
    """Pictures as JSON."""
    sources = ((item.source, item.name) for item in items)
    return json.dumps([(str(source.path), str(source.root), source.name, name) for source, name in sources])


def _load_items(text: str) -> list[Item]:
    return [Item(Source(locate(path), locate(root), below), name) for path, root, below, name in json.loads(text)]


def _record(data: dict[str, Any]) -> Done | Failed:
    return Done(**data | {"file": Stamp(**data["file"])}) if "mask" in data else Failed(**data)


def _refusal(error: LsegError) -> str:
    return Answer(error=str(error), exit_code=error.exit_code).dump()
