"""`lseg doctor`: what this machine can run, and why not."""

import typer

from lseg_cli.commands import options
from lseg_cli.console.doctor import show_checks
from lseg_cli.errors import MissingError


def doctor(json: options.Json = False) -> None:
    """Report what this machine can run, and why not: versions, GPUs, providers, caches; each is tried.

    The exit code is 0 when pictures can be segmented, else 6.

    Example: lseg doctor
    """
    from lseg_engines.doctor.availability import check_machine, works

    checks = show_checks(check_machine(), works, json)
    if not works(checks):
        raise typer.Exit(MissingError.exit_code)
