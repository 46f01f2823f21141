"""`lseg report`: what a folder of masks holds, as tables and as a page to look at."""

from pathlib import Path
from typing import Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.console.reporting import show_report
from lseg_cli.console.terminal import Console
from lseg_cli.results.report_options import PICTURES, REPORT  # noqa: TID253  imports nothing

Folder = Annotated[Path, typer.Argument(metavar="OUT", help="What lseg segment or lseg relabel wrote.")]
Html = Annotated[
    str | None,
    options.option(
        "--html",
        metavar="FILE|none",
        help=f"The page: pictures, plot, failures, in one file that needs no network. Default: OUT/{REPORT}.",
    ),
]
Csv = Annotated[Path | None, options.option("--csv", metavar="FILE", help="The table of labels as CSV.")]
Pictures = Annotated[int, options.option(metavar="N", min=0, help="On the page, evenly over the folder.")]


def report(
    folder: Folder,
    html: Html = None,
    csv: Csv = None,
    pictures: Pictures = PICTURES,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Tell what a folder of masks holds: the share of each label, failures, time, and a page to look at.

    Example: lseg report out/ --csv shares.csv
    """
    from lseg_cli.results.report import read_report
    from lseg_cli.results.report_page import write_page, write_rows

    console = Console(quiet, json_lines=json)
    found = read_report(folder, 0 if html == "none" else pictures)
    if csv is not None:
        write_rows(csv, found)
    if html != "none":
        page = Path(html) if html else folder / REPORT
        found.notices += write_page(page, found)
    show_report(found, console)
    if html != "none":
        console.note(f"Look at {page}.")
