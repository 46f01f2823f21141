"""The command line `lseg`: registers commands, and turns what goes wrong into one sentence and its exit code."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated, NamedTuple, NoReturn

import typer

from lseg_cli import __version__
from lseg_cli.commands import options
from lseg_cli.console.terminal import BROKEN_PIPE, drop_stdout, fail, open_missing_streams, unwritable
from lseg_cli.errors import LsegError
from lseg_cli.extras import as_missing
from lseg_cli.files import HOPELESS

INTERRUPTED = 130


class _Command(NamedTuple):
    """Where a command, or a group of them, is written, and in which panel of --help it stands."""

    module: str  # of lseg_cli.commands
    function: str
    panel: str
    same_as: str = ""  # another name of that command, which --help does not list


_USE, _TRAIN, _SHIP, _LOOK = "Use", "Train and measure", "Ship", "Look"
_COMMANDS = {
    "segment": _Command("segment", "segment", _USE),
    "map": _Command("maps", "map_rasters", _USE),
    "embed": _Command("embed", "embed", _USE),
    "relabel": _Command("relabel", "relabel", _USE),
    "report": _Command("report", "report", _USE),
    "labels": _Command("labels", "labels_app", _USE),
    "app": _Command("app", "app", _USE),
    "train": _Command("train", "train", _TRAIN),
    "sweep": _Command("sweep", "sweep", _TRAIN),
    "eval": _Command("evaluate", "evaluate", _TRAIN),
    "data": _Command("data_import", "data_app", _TRAIN),  # the last module that adds a command to the group
    "export": _Command("export", "export", _SHIP),
    "build": _Command("build", "build", _SHIP),
    "convert": _Command("convert", "convert", _SHIP),
    "bench": _Command("bench", "bench", _SHIP),
    "models": _Command("models", "app", _LOOK),
    "info": _Command("info", "info", _LOOK),
    "schema": _Command("schema", "schema", _LOOK),
    "doctor": _Command("doctor", "doctor", _LOOK),
    "predict": _Command("segment", "segment", _USE, same_as="segment"),
    "val": _Command("evaluate", "evaluate", _TRAIN, same_as="eval"),
}


def make_app(name: str = "") -> typer.Typer:
    """Return the command line with one command, or with all where the name is not that of a command.

    A run imports its own command only: all of them take 0.1 s, a tenth of what the first mask of a picture takes.

    Args:
        name: what may be a command.
    """
    app = typer.Typer(
        name="lseg",
        help="Language-driven semantic segmentation: type labels in plain words, get a mask for every picture.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "LSEG"},
    )
    app.callback()(_options)
    for each in [name] if name in _COMMANDS else list(_COMMANDS):
        command = _COMMANDS[each]
        function = getattr(import_module(f"lseg_cli.commands.{command.module}"), command.function)
        if isinstance(function, typer.Typer):
            app.add_typer(function, name=each, rich_help_panel=command.panel)
        elif command.same_as:
            app.command(each, hidden=True, help=f"The same as {command.same_as}.")(function)
        else:
            app.command(each, rich_help_panel=command.panel)(function)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lseg {__version__}")
        raise typer.Exit


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
    open_missing_streams()
    # Pydantic asks every installed package whether it is a plugin of it; none that we know of is for this program.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
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
        code = make_app(*arguments[:1])(args=arguments, prog_name="lseg", standalone_mode=False)
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
