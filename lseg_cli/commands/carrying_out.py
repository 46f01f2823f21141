"""What `lseg segment`, `embed`, `relabel` and `train` do with a run: carry it out, and end with its exit code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from lseg_cli.commands.interrupt import interruptible
from lseg_cli.console.events import Error
from lseg_cli.console.folder_run import show_end, show_run
from lseg_cli.console.terminal import Console
from lseg_cli.metrics import MetricsFile

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun
    from lseg_cli.runs.options import EmbedOptions, RunOptions, SegmentOptions


def carry_out(
    prepare: "Callable[[], FolderRun]", options: "RunOptions", console: Console, command: str, metrics: Path | None
) -> NoReturn:
    """Carries out a run; the last event says with which exit code the process ends, and every error is an event.

    Args:
        prepare: makes the run ready to go.
        options: of the run.
        console: shows it.
        command: what the user called, for the metrics.
        metrics: where they go; None: nowhere.

    Raises:
        LsegError: as the run.
    """
    run: FolderRun | None = None
    labels = run_labels(command, options.out, options.share_name)
    file = MetricsFile(metrics, labels, console.notice)
    with accounted(console, file, lambda code: show_end(run, console, code)):
        run = prepare()
        file.watch(run.metrics)
        with run, interruptible() as interrupt:
            if not show_run(run, console, interrupt):
                raise typer.Exit(interrupt.exit_code)
        raise typer.Exit(run.summary.exit_code)


def keep_on(
    prepare: "Callable[[Any], FolderRun]",
    options: "SegmentOptions | EmbedOptions",
    console: Console,
    command: str,
    metrics: Path | None,
) -> NoReturn:
    """Carries out a run whenever pictures have arrived, until interrupted; as `carry_out`.

    Args:
        prepare: makes a run over what is there ready to go, of its options.
        options: of the first run.
        console: shows the first run in full, of later ones what they did.
        command: what the user called, for the metrics.
        metrics: where they go; None: nowhere.
    """
    from lseg_cli.runs.watching import Watch

    run: FolderRun | None = None
    file = MetricsFile(metrics, run_labels(command, options.out), console.notice)
    with accounted(console, file, lambda code: show_end(run, console, code)), interruptible() as interrupt:
        watch, shown = Watch(options), console
        while (asked := watch.wait(interrupt)) is not None:
            run = prepare(asked)
            file.watch(run.metrics)
            with run:
                show_run(run, shown, interrupt)
            if shown is not console:
                console.note(f"{run.summary.done} more {run.job.verb}, {run.summary.before + run.summary.done} in all.")
            shown = Console(True, console.verbose, console.json_lines)
        raise typer.Exit(interrupt.exit_code)


@contextmanager
def accounted(console: Console, metrics: MetricsFile, show_last: Callable[[int], None]) -> Iterator[None]:
    """Whatever ends the block: an error is an event, the metrics have the exit code, and so has the last event.

    Args:
        console: gets the events.
        metrics: begun before the block.
        show_last: writes the last event, given the exit code.
    """
    from lseg_cli.runs.folder_run import exit_code

    code = 0
    try:
        metrics.begin()
        yield
    except BaseException as error:
        code = exit_code(error, 0)
        if not isinstance(error, typer.Exit):
            console.event("error", asdict(Error(str(error) or type(error).__name__, code)))
        raise
    finally:
        metrics.end(code)
        show_last(code)


def run_labels(command: str, out: str | Path, share: str = "") -> dict[str, str]:
    """Return the label that separates a run's metrics from those of others on the machine."""
    labels = {"command": command, "out": str(Path(out).resolve())}
    return {**labels, "shard": share} if share else labels
