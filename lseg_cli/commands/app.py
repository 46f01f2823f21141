"""`lseg app`: a page in the browser to find the right words on."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lseg_cli.app.options import AppOptions  # noqa: TID253  imports nothing
from lseg_cli.commands import options, run_options
from lseg_cli.commands.label_words import whole_variable
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice

if TYPE_CHECKING:
    from lseg_cli.app.workbench import Workbench

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATHS", help="Pictures to choose from: files, folders, patterns, @list.txt. None: drop some."
    ),
]
Labels = Annotated[
    list[str] | None,
    options.option(
        "-l", "--labels", metavar="WORDS", callback=whole_variable, help="Labels to begin with, as of segment."
    ),
]
Compare = Annotated[
    list[str] | None,
    options.option("--compare", metavar="MODEL", help="A further model that the page may run. Repeat for more."),
]
Host = Annotated[
    str, options.option(metavar="ADDRESS", help="Listen here. Others than this machine's own need --auth.")
]
Port = Annotated[int, options.option(metavar="N", min=0, max=65535, help="Port to listen on; 0: any that is free.")]
Auth = Annotated[
    str,
    options.option(metavar="USER:PASSWORD", help="Ask for these. LSEG_APP_AUTH keeps them out of lists of processes."),
]
Open = Annotated[bool, options.option("--open/--no-open", help="Open the page in a browser.")]


def app(  # noqa: PLR0913  an option is a parameter
    inputs: Inputs = None,
    labels: Labels = None,
    *,
    model: options.Model = EngineChoice.model,
    compare: Compare = None,
    host: Host = AppOptions.host,
    port: Port = AppOptions.port,
    auth: Auth = AppOptions.auth,
    open: Open = True,
    exclude: run_options.Exclude = None,
    engine: options.Engine = EngineChoice.kind,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    offline: options.Offline = False,  # acted on where it is defined
    quiet: options.Quiet = False,
) -> None:
    """Open a page to find the right words on: type labels, and the masks follow.

    Example: lseg app photos/ -l "sky,road,tree,other"
    """
    from lseg_cli.app.server import serve

    settings = AppOptions(
        paths=tuple(inputs or ()),
        labels=",".join(labels or ()),
        engine=EngineChoice(model, engine, device, precision, threads),
        compare=tuple(compare or ()),
        host=host,
        port=port,
        auth=auth,
        exclude=tuple(exclude or ()),
    )
    console = Console(quiet)

    def ready(address: str, bench: "Workbench") -> None:
        for notice in bench.library.notices:
            console.note(f"Note: {notice}")
        console.line(f"The page is at {address} - Ctrl-C ends it.")
        if open and _has_screen():
            import webbrowser  # noqa: PLC0415  only where there is a screen

            webbrowser.open(address)

    serve(settings, ready)


def _has_screen() -> bool:
    """Whether a browser could be seen: without a screen one would open in the terminal."""
    return sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"}.intersection(os.environ))
