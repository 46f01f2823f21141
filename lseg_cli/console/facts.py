"""Facts and tables on stdout, for people, or as JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show_facts(facts: Mapping[str, Any], as_json: bool) -> None:
    """Facts on stdout: a line for each, or one JSON object."""
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return
    width = max(map(len, facts))
    for name, fact in facts.items():
        sys.stdout.write(f"{name:<{width}}  {fact}\n")


def show_table(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Rows of the same keys on stdout: aligned columns under their names, or one JSON array."""
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    columns = list(rows[0]) if rows else []
    cells = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    for line in cells:
        sys.stdout.write("  ".join(map(str.ljust, line, widths)).rstrip() + "\n")
