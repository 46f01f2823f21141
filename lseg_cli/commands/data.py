"""`lseg data`: data sets looked at before anything relies on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.console.data import show_reports
from lseg_cli.console.terminal import Console
from lseg_cli.errors import DataError

if TYPE_CHECKING:
    from lseg_cli.data.inspection import SplitReport
    from lseg_cli.drawing.contact_sheet import Sample

SHEET_PICTURES = 6  # about so many, from all splits

data_app = typer.Typer(name="data", help="Data sets: check them, import those of other tools.", no_args_is_help=True)

DataName = Annotated[
    str,
    typer.Argument(metavar="NAME|FILE", help="A known set such as ade20k, or a dataset.yaml (or the folder with it)."),
]
Root = Annotated[str | None, typer.Argument(metavar="[ROOT]", help="Where a known set lies.")]
Split = Annotated[str | None, options.option(metavar="NAME", help="Only this one. Default: all.")]
Fold = Annotated[int | None, options.option(metavar="N", min=0, help="Of pascal5i and coco20i. Default: all.")]
Lists = Annotated[
    str | None,
    options.option(metavar="FOLDER", help="HSNet's split lists, if they are not in ROOT/splits."),
]
Decode = Annotated[bool, options.option("--decode", help="Read every picture whole, not only its size. Slower.")]
Sheet = Annotated[
    Path | None,
    options.option(metavar="FILE.jpg", help="Draw a few pictures with their masks and legends."),
]


@data_app.command("check")
def check(  # noqa: PLR0913  an option is a parameter
    data: DataName,
    root: Root = None,
    *,
    split: Split = None,
    fold: Fold = None,
    lists: Lists = None,
    decode: Decode = False,
    sheet: Sheet = None,
    workers: options.Workers = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Count a data set's pictures and classes, and report everything that is wrong with its masks.

    The exit code is 4 if anything is.

    Example: lseg data check ade20k /data --sheet ade20k.jpg
    """
    from lseg_cli.data.inspection import inspect_split, splits_of  # noqa: PLC0415  numpy
    from lseg_cli.drawing.contact_sheet import sheet_format, write_sheet

    if sheet:
        sheet_format(sheet)
    console = Console(quiet)
    refs = splits_of(data, root, lists, split, fold)
    reports = [inspect_split(ref, console.track, workers, decode) for ref in refs]
    samples = _samples(reports) if sheet else []
    if sheet and samples:
        write_sheet(samples, sheet)
        console.note(f"{sheet}: {len(samples)} pictures with their masks.")
    show_reports(reports, json, quiet)
    problem_count = sum(report.problem_count for report in reports)
    if problem_count:
        raise DataError(f"{data} has {problem_count} problem{'s' if problem_count > 1 else ''}, listed above.")
    if {"train", "val"} <= {ref.split for ref in refs}:
        place = f"{data}:{root}" if root else data
        console.note(f"Next: lseg train -m lseg-tiny --data {place} --val {place}")


def _samples(reports: "Sequence[SplitReport]") -> "list[Sample]":
    """Pictures without a problem, spread over each split."""
    from lseg_cli.drawing.contact_sheet import Sample

    samples = []
    wanted = max(1, SHEET_PICTURES // len(reports))
    for report in reports:
        for index in report.sound[:: max(1, len(report.sound) // wanted)][:wanted]:
            if report.dataset:
                picture, ids = report.dataset.read(index)
                title = f"{report.title}: {report.dataset.images[index].name}"
                samples.append(Sample(title, picture, ids, report.dataset.classes, report.dataset.ignore))
    return samples
