"""`lseg report` as it is seen: tables of labels, stages and failures on stdout, or one JSON object."""

import sys
from typing import TYPE_CHECKING

from lseg_cli.console.facts import show_facts, show_table
from lseg_cli.console.terminal import Console

if TYPE_CHECKING:
    from lseg_cli.results.report import FolderReport


def show_report(report: "FolderReport", console: Console) -> None:
    """Everything but the pictures."""
    if console.json_lines:
        show_facts(report.as_data(), as_json=True)
        return
    for notice in report.notices:
        console.note(f"Note: {notice}")
    if report.pictures:
        rows = [
            {
                "label": row["label"],
                "pictures": f"{row['pictures']:,}",
                "pixels": f"{row['pixels']:,}",
                "share": f"{row['share']:.2%}",
                "mean share": f"{row['mean_share']:.2%}",
            }
            for row in report.rows
        ]
        stages = [
            {
                "stage": row["stage"],
                "seconds": f"{row['seconds']:,.1f}",
                "share": f"{row['share']:.1%}",
                "ms a picture": f"{row['ms_per_picture']:,.1f}",
            }
            for row in report.stages
        ]
        for table in (rows, stages):
            show_table(table, as_json=False)
            sys.stdout.write("\n")
    pictures = {"done": report.pictures, **{f"failed: {stage}": count for stage, count in report.failed.items()}}
    show_table([{"pictures": name, "number": f"{count:,}"} for name, count in pictures.items()], as_json=False)
