"""What `lseg segment`, `lseg embed` and `lseg relabel` do with a run: carry it out, and end with its exit code."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import typer

from lseg_cli.commands.interrupt import interruptible
from lseg_cli.console.folder_run import show_end, show_run
from lseg_cli.console.terminal import Console

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun


def carry_out(prepare: "Callable[[], FolderRun]", console: Console) -> NoReturn:
    """Carries out a run; the last event says with which exit code the process ends, and every error is an event.

    Args:
        prepare: makes the run ready to go.
        console: shows it.

    Raises:
        LsegError: as the run.
    """
    from lseg_cli.runs.folder_run import exit_code

    run: FolderRun | None = None
    try:
        run = prepare()
        with run, interruptible() as interrupt:
            if not show_run(run, console, interrupt):
                raise typer.Exit(interrupt.exit_code)
        raise typer.Exit(run.summary.exit_code)
    except BaseException as error:
        code = exit_code(error, 0)
        if not isinstance(error, typer.Exit):
            console.event("error", {"text": str(error) or type(error).__name__, "exit_code": code})
        if run is None:
            console.event("end", {"exit_code": code})
        else:
            show_end(run, console, code)
        raise
