"""Which run carries out a protocol, by its name."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from lseg_cli.contract import Engine
from lseg_cli.data.references import parse_data
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError
from lseg_cli.evaluation.options import ZERO_SHOT, EvalOptions
from lseg_cli.evaluation.processes import Processes
from lseg_cli.evaluation.segmentation_run import EvalRun
from lseg_cli.evaluation.zero_shot import EpisodeRun


class Run(Protocol):
    """An evaluation that is ready to go: iterate over `run()`, then ask for the `report()`.

    Attributes:
        notices: what the user should know.
    """

    notices: list[str]

    def __len__(self) -> int:
        """How many pictures this process looks at."""
        ...

    def run(self) -> Iterator[int]:
        """Looks at them one by one; then adds up what all processes have counted."""
        ...

    def report(self) -> dict[str, Any]:
        """All that was found, fit for JSON."""
        ...


def open_run(options: EvalOptions, open_engine: Callable[[EngineChoice], Engine], processes: Processes) -> Run:
    """Open data and models.

    Args:
        options: what to measure.
        open_engine: as `lseg_engines.opener.open_engine`.
        processes: of which this is one.

    Raises:
        LsegError: options, labels, data and models that do not fit each other.
    """
    ref = parse_data(options.data, options.split).model_copy(update={"lists": options.lists or ""})
    if options.protocol in ZERO_SHOT:
        return EpisodeRun(options, ref, open_engine, processes)
    if len(options.folds) > 1:
        raise LsegError(f"--fold all is for the protocols {', '.join(ZERO_SHOT)}; give one fold.")
    if options.folds:
        ref = ref.model_copy(update={"fold": options.folds[0]})
    return EvalRun(options, ref, open_engine, processes)
