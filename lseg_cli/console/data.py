"""`lseg data` as it is seen."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lseg_cli.console.facts import show_table
from lseg_cli.console.terminal import Console

if TYPE_CHECKING:
    from lseg_cli.data.inspection import SplitReport
    from lseg_cli.importing.folder import Imported


def show_reports(reports: "Sequence[SplitReport]", as_json: bool, quiet: bool = False) -> None:
    """What was found on stdout: splits, share of each class, notes and problems; or one JSON object.

    `quiet`: problems alone; JSON is whole all the same.
    """
    if as_json:
        sys.stdout.write(json.dumps({"splits": [_facts(report) for report in reports]}, indent=2) + "\n")
        return
    if not quiet:
        _show_found(reports)
    for report in reports:
        for problem in report.problems:
            sys.stdout.write(f"{report.title}: {problem}\n")
        if report.problem_count > len(report.problems):
            sys.stdout.write(f"{report.title}: {report.problem_count - len(report.problems)} more problems.\n")


def _show_found(reports: "Sequence[SplitReport]") -> None:
    rows = [
        {
            "split": report.title,
            "pictures": len(report.dataset) if report.dataset else 0,
            "without label": f"{report.ignored():.1%}" if report.sound else "-",
            "problems": report.problem_count,
        }
        for report in reports
    ]
    show_table(rows, as_json=False)
    sys.stdout.write("\n")
    shares = {report.title: report.shares() for report in reports if report.sound}
    names = dict.fromkeys(name for of_class in shares.values() for name in of_class)
    if names:
        show_table([{"class": name, **_cells(name, shares)} for name in names], as_json=False)
        sys.stdout.write("\n")
    for report in reports:
        for note in report.notes():
            sys.stdout.write(f"{report.title}: Note: {note}\n")


def show_import(imported: "Imported", console: Console, as_json: bool) -> None:
    """Show what was written on stdout, what could not be kept on stderr, and the next command."""
    for note in imported.notes:
        console.note(note)
    facts = {
        "dataset": str(imported.description),
        "format": imported.kind,
        "pictures": ", ".join(f"{split} {count}" for split, count in imported.pictures.items()),
        "classes": ", ".join(imported.classes),
        "areas": imported.areas,
    }
    if as_json:
        facts |= {"pictures": imported.pictures, "classes": imported.classes, "notes": imported.notes}
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
        return
    for name, value in facts.items():
        sys.stdout.write(f"{name}: {value}\n")
    console.note(f"Next: lseg data check {imported.description}")


def _cells(name: str, shares: dict[str, dict[str, float]]) -> dict[str, str]:
    """A class's share in each split; a dash where the split has no such class, nothing where no pixel is of it."""
    return {
        title: "-" if name not in of_class else f"{of_class[name]:.2%}" if of_class[name] else ""
        for title, of_class in shares.items()
    }


def _facts(report: "SplitReport") -> dict[str, Any]:
    return {
        "split": report.ref.split,
        "fold": report.ref.fold,
        "pictures": len(report.dataset) if report.dataset else 0,
        "ignored": report.ignored(),
        "classes": report.shares(),
        "notes": report.notes(),
        "problems": list(report.problems),
        "problem_count": report.problem_count,
    }
