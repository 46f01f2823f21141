"""`lseg sweep`: a grid of trainings -> a table."""

from pathlib import Path
from typing import Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.commands.interrupt import interruptible
from lseg_cli.commands.train import Settings
from lseg_cli.console.sweep import show_figures, show_plan, show_runs
from lseg_cli.console.terminal import Console

SOME_FAILED = 3

File = Annotated[Path, typer.Argument(metavar="FILE", help="A sweep (YAML): a recipe, its variants, seeds.")]
Only = Annotated[
    list[str] | None,
    options.option("--only", metavar="VARIANT", help="Only this variant. Repeat for more."),
]
DryRun = Annotated[bool, options.option("--dry-run", help="Only report what would be done; write nothing.")]
Out = Annotated[
    Path | None,
    options.option("-o", "--out", metavar="FOLDER", help="Folder of the runs. Default: runs/NAME."),
]


def sweep(
    file: File,
    *,
    out: Out = None,
    only: Only = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train every variant of a recipe with every seed, and print mean and spread of the figures.

    The same command goes on where it was stopped: finished runs are left as they are.

    Example: lseg sweep recipes/ablation.yaml --out runs/ablation
    """
    from lseg_cli.api.tasks import open_trainer
    from lseg_cli.training.processes import is_main_process, leave_processes
    from lseg_cli.training.recipe import parse_settings
    from lseg_cli.training.sweep import pick, read_sweep

    out = out or Path("runs") / file.stem
    runs = read_sweep(file, out, parse_settings(settings or ()))
    picked = pick(runs, only or ())
    if dry_run:
        show_plan(picked, json)
        return
    is_main = is_main_process()
    console = Console(quiet or not is_main, verbose)
    with interruptible() as interrupt:
        failed, to_its_end = show_runs(
            picked, lambda run, resume: open_trainer(run.config, run.out, resume).run(interrupt), console
        )
    leave_processes()
    if is_main:
        show_figures(runs, out, json, console)
    if not to_its_end:
        raise typer.Exit(interrupt.exit_code)
    if failed:
        raise typer.Exit(SOME_FAILED)
