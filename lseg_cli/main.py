"""The command line `lseg`: registers commands, and turns what goes wrong into one sentence and its exit code."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from lseg_cli import __version__
from lseg_cli.commands import data_import as _data_import  # noqa: F401  registers `data import`
from lseg_cli.commands import options
from lseg_cli.commands.app import app as page
from lseg_cli.commands.bench import bench
from lseg_cli.commands.build import build
from lseg_cli.commands.convert import convert
from lseg_cli.commands.data import data_app
from lseg_cli.commands.doctor import doctor
from lseg_cli.commands.embed import embed
from lseg_cli.commands.evaluate import evaluate
from lseg_cli.commands.export import export
from lseg_cli.commands.info import info
from lseg_cli.commands.labels import labels_app
from lseg_cli.commands.maps import map_rasters
from lseg_cli.commands.models import app as models
from lseg_cli.commands.relabel import relabel
from lseg_cli.commands.report import report
from lseg_cli.commands.schema import schema
from lseg_cli.commands.segment import segment
from lseg_cli.commands.sweep import sweep
from lseg_cli.commands.train import train
from lseg_cli.console.terminal import BROKEN_PIPE, drop_stdout, fail, open_missing_streams, unwritable
from lseg_cli.errors import LsegError
from lseg_cli.extras import as_missing
from lseg_cli.files import HOPELESS

INTERRUPTED = 130

app = typer.Typer(
    name="lseg",
    help="Language-driven semantic segmentation: type labels in plain words, get a mask for every picture.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "LSEG"},
)

# Panels of --help.
_USE, _TRAIN, _SHIP, _LOOK = "Use", "Train and measure", "Ship", "Look"
app.command("segment", rich_help_panel=_USE)(segment)
app.command("map", rich_help_panel=_USE)(map_rasters)
app.command("embed", rich_help_panel=_USE)(embed)
app.command("relabel", rich_help_panel=_USE)(relabel)
app.command("report", rich_help_panel=_USE)(report)
app.add_typer(labels_app, rich_help_panel=_USE)
app.command("app", rich_help_panel=_USE)(page)
app.command("train", rich_help_panel=_TRAIN)(train)
app.command("sweep", rich_help_panel=_TRAIN)(sweep)
app.command("eval", rich_help_panel=_TRAIN)(evaluate)
app.add_typer(data_app, rich_help_panel=_TRAIN)
app.command("export", rich_help_panel=_SHIP)(export)
app.command("build", rich_help_panel=_SHIP)(build)
app.command("convert", rich_help_panel=_SHIP)(convert)
app.command("bench", rich_help_panel=_SHIP)(bench)
app.add_typer(models, name="models", rich_help_panel=_LOOK)
app.command("info", rich_help_panel=_LOOK)(info)
app.command("schema", rich_help_panel=_LOOK)(schema)
app.command("doctor", rich_help_panel=_LOOK)(doctor)
app.command("predict", hidden=True, help="The same as segment.")(segment)
app.command("val", hidden=True, help="The same as eval.")(evaluate)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lseg {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        # Not from LSEG_VERSION, which images of containers set to other things.
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            allow_from_autoenv=False,
            show_envvar=False,
            help="Show the version and exit.",
        ),
    ] = False,
    offline: options.Offline = False,
) -> None:
    """Options before the command."""


def run(args: Sequence[str] | None = None) -> NoReturn:
    """The console script: always ends the process.

    Args:
        args: of the command line, without the program; None: the process's own.
    """
    arguments = sys.argv[1:] if args is None else list(args)
    # NumPy's products here are many and small, and made side by side: threads within each wait for each other, and a
    # run with 80 labels took ten times the CPU seconds. It is read when NumPy is imported, which is later.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    open_missing_streams()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        code = _run(arguments)
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.exit(code)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    """As Ctrl-C does, so that what tidies up behind itself does so."""
    sys.exit(128 + number)


def _run(arguments: list[str]) -> int:
    """Carries the command out; its exit code."""
    try:
        code = app(args=arguments, prog_name="lseg", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        drop_stdout()
        return BROKEN_PIPE
    except Exception as error:
        if isinstance(error, OSError) and error.errno in HOPELESS and error.filename is None:  # of no file: of stdout
            error = unwritable(error)
        return _explain(error, arguments)
    if code == INTERRUPTED:
        fail("Interrupted; what is finished is kept.")
    return code or 0


def _explain(error: Exception, arguments: list[str]) -> int:
    """A usage error, a package that is not installed, or an error that nobody foresaw."""
    if isinstance(error, LsegError):
        fail(str(error))
        return error.exit_code
    if hasattr(error, "format_message"):  # of Typer, whose classes moved between versions
        return _usage(error.format_message(), getattr(error, "ctx", None))
    command = " ".join(["lseg", *(name for name in arguments[:1] if not name.startswith("-"))])
    missing = as_missing(error, command) if isinstance(error, ModuleNotFoundError) else None
    if missing is not None:
        fail(str(missing))
        return missing.exit_code
    is_verbose = not {"-v", "--verbose"}.isdisjoint(arguments)
    advice = "" if is_verbose else "; -v shows where"
    fail(f"This is a bug: {type(error).__name__}: {error}{advice}.", with_traceback=is_verbose)
    return 1


def _usage(message: str, context: typer.Context | None) -> int:
    """A usage error; an empty message comes with the help of a bare `lseg`."""
    message = message.replace("Value error, ", "")  # of pydantic, with which Typer checks choices
    if message:
        path = context.command_path if context else "lseg"
        fail(f"{message.rstrip('.')}{'' if message.endswith('?') else '.'} See {path} --help.")
    return 2
