"""The crew of a run: threads of this process, or workers of a Ray cluster."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from lseg_cli.contract import Engine
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.results.folder import OutputFolder
from lseg_cli.results.records import Item, Result
from lseg_cli.runs.options import RunOptions
from lseg_cli.runs.pictures import OpenEngine, open_beside
from lseg_cli.runs.pipeline import Pipeline
from lseg_cli.runs.steps import A, L, Steps

if TYPE_CHECKING:
    from lseg_cli.runs.ray.worker import Work


class Crew(Protocol):
    """The threads or workers that carry out a run."""

    @property
    def device(self) -> str:
        """The device that infers."""
        ...

    @property
    def precision(self) -> str:
        """The precision of its arithmetic."""
        ...

    def run(self, items: Iterable[Item | None], should_stop: Callable[[], bool]) -> Iterator[Result]:
        """Results in the order of the items; once `should_stop` says so, only of those that were begun.

        Args:
            items: None among them where more may come, and none has for now.
            should_stop: asked between items.

        Raises:
            LsegError: what would stop every picture, such as a full disk.
        """
        ...


def open_here(options: RunOptions, choice: EngineChoice, streams: int, open_engine: OpenEngine) -> Engine | None:
    """The engine of a run in this process; None of one that a cluster does, which is asked for before.

    Raises:
        LsegError: as `open_engine` or `require_ray`.
    """
    if options.ray is None:
        return open_beside(choice, streams, open_engine)
    from lseg_cli.runs.ray.cluster import require_ray  # noqa: PLC0415  as all of Ray: only for who asks for it

    require_ray(options.ray, choice.device)
    return None


def make_pipeline(steps: Steps[L, A, Result], options: RunOptions, streams: int, note: Callable[[str], None]) -> Crew:
    """Threads of this process.

    Args:
        steps: what is done with an item.
        options: of the run.
        streams: items that a CPU infers side by side.
        note: receives what the user should know.
    """
    return Pipeline(steps, options.thread_count, note, streams if steps.device == "cpu" else 1)


def call_cluster(work: "Work", output: OutputFolder, note: Callable[[str], None]) -> Crew:
    """Workers of a Ray cluster, which share the output folder; `note` receives what the user should know."""
    from lseg_cli.runs.ray.cluster import RayCluster  # noqa: PLC0415

    return RayCluster(work, output.folder.resolve() / f".ray-{os.getpid()}", note)
