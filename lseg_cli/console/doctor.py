"""`lseg doctor` as it is seen: a line for each check as it is made, and what to do below it."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lseg_engines.doctor.environment import Check

_NAME_WIDTH = 22


def show_checks(checks: "Iterable[Check]", works: "Callable[[list[Check]], bool]", as_json: bool) -> "list[Check]":
    """Checks on stdout as they are made, or one JSON object at the end; gives them back."""
    made = []
    for check in checks:
        made.append(check)
        if not as_json:
            sys.stdout.write(f"{check.state:<8}  {check.name:<{_NAME_WIDTH}}  {check.found}\n")
            if check.advice:
                sys.stdout.write(f"{'':<8}  {'':<{_NAME_WIDTH}}  -> {check.advice}\n")
            sys.stdout.flush()
    if as_json:
        facts = {"works": works(made), "checks": [asdict(check) for check in made]}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    return made
