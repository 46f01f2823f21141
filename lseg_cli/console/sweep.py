"""`lseg sweep` as it is seen: which run is on, what failed, and the table."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lseg_cli.console.facts import show_table
from lseg_cli.console.terminal import Console
from lseg_cli.console.training import show_training
from lseg_cli.errors import LsegError

if TYPE_CHECKING:
    from lseg_cli.training.reports import Report
    from lseg_cli.training.sweep import SweepRun


def show_plan(runs: "Sequence[SweepRun]", as_json: bool) -> None:
    """Every run and how far it is, on stdout."""
    show_table(
        [{"variant": run.variant, "seed": run.seed, "status": _status(run)[0], "folder": str(run.out)} for run in runs],
        as_json,
    )


def show_runs(
    runs: "Sequence[SweepRun]", train: "Callable[[SweepRun, bool], Iterable[Report]]", console: Console
) -> tuple[int, bool]:
    """Carries out the runs that are not finished and shows them.

    Args:
        runs: of the sweep, in order.
        train: starts one, or resumes it, and gives its reports.
        console: where to.

    Returns:
        How many failed, and whether all had their turn: if not, an interrupt came.
    """
    failed = 0
    for number, run in enumerate(runs, 1):
        name = f"{run.variant}, seed {run.seed} ({number} of {len(runs)})"
        status, why = _status(run)
        try:
            if status not in ("finished", "unusable"):
                console.note(f"{name}: {'goes on' if status == 'started' else 'starts'}.")
                if not show_training(train(run, status == "started"), console, run.out):
                    return failed, False
        except (LsegError, OSError, RuntimeError) as error:  # the last: what PyTorch says of memory and shapes
            status, why = "unusable", str(error)
        if status == "unusable":
            failed += 1
            console.line(f"{name} failed: {why}", style="red")
    return failed, True


def show_figures(runs: "Sequence[SweepRun]", out: Path, as_json: bool, console: Console) -> None:
    """The table of all that is finished, now or before, on stdout; its files beside the runs."""
    from lseg_cli.training.sweep_table import as_text, collect, rows_of, write_table

    finished = [run for run in runs if _status(run)[0] == "finished"]
    if not finished:
        return
    found = collect(finished)
    files = write_table(found, out)
    rows = rows_of(found)
    show_table(rows if as_json else as_text(rows), as_json)
    console.note(f"The table is in {', '.join(map(str, files))}.")


def _status(run: "SweepRun") -> tuple[str, str]:
    """How far a run is, or that its folder cannot be used and why."""
    try:
        return run.status(), ""
    except LsegError as error:
        return "unusable", str(error)
