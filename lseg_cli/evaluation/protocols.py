"""Which run carries out a protocol, by its name."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from lseg_cli.contract import Engine
from lseg_cli.data.references import parse_data
from lseg_cli.errors import LsegError
from lseg_cli.evaluation.options import PROTOCOLS, ZERO_SHOT, EvalJob, parse_folds
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


def open_run(job: EvalJob, open_engine: Callable[[str, str, str, int | None], Engine], processes: Processes) -> Run:
    """Opens data and models.

    Args:
        job: what to do.
        open_engine: as `lseg_engines.opener.open_engine`.
        processes: of which this is one.

    Raises:
        LsegError: no such protocol; options, labels, data and models that do not fit each other.
    """
    if job.protocol not in PROTOCOLS:
        raise LsegError(f"There is no protocol '{job.protocol}'; there are {', '.join(PROTOCOLS)}.")
    ref = parse_data(job.data, job.split).model_copy(update={"lists": job.lists or ""})
    if job.protocol in ZERO_SHOT:
        return EpisodeRun(job, ref, open_engine, processes)
    if job.fold is not None:
        folds = parse_folds(job.fold)
        if len(folds) > 1:
            raise LsegError(f"--fold {job.fold} is for the protocols {', '.join(ZERO_SHOT)}; give one fold.")
        ref = ref.model_copy(update={"fold": folds[0]})
    return EvalRun(job, ref, open_engine, processes)
