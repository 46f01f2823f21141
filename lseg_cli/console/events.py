"""The events of `--json`, each described once: what is written, and its JSON Schema."""

import json
from dataclasses import dataclass
from typing import Any, Literal

_TIME = {"type": "string", "format": "date-time", "description": "When it was written, in UTC."}


@dataclass(frozen=True)
class Start:
    """The first event of segment, embed and relabel, after labels and model were opened.

    Attributes:
        total: pictures that were found.
        left: of them, what earlier runs have not done.
        out: the output folder.
        device: that does the work.
    """

    total: int
    left: int
    out: str
    device: str


@dataclass(frozen=True)
class Notice:
    """Something that the user should know; nothing has failed."""

    text: str


@dataclass(frozen=True)
class Error:
    """What ended the command: the sentence that stands on stderr too, and its exit code."""

    text: str
    exit_code: int


@dataclass(frozen=True)
class End:
    """The last event: the exit code of the process. So of a training run, or if no run came about."""

    exit_code: int


@dataclass(frozen=True)
class EndOfRun:
    """The last event of segment, embed and relabel.

    Attributes:
        total: pictures that were found.
        done_before: by earlier runs.
        done: by this one.
        failed: by this one.
        exit_code: of the process.
    """

    total: int
    done_before: int
    done: int
    failed: int
    exit_code: int


def events_schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of `lseg segment|embed|relabel|train --json`.

    It allows properties that it does not list, for later versions may add some.
    """
    from pydantic import TypeAdapter  # noqa: PLC0415  only who asks for it waits for pydantic

    kinds = _kinds()
    adapters: list[tuple[int, Literal["serialization"], TypeAdapter[Any]]] = [
        (number, "serialization", TypeAdapter(described)) for number, (_, described) in enumerate(kinds)
    ]
    found, definitions = TypeAdapter.json_schemas(adapters)
    shared: dict[str, Any] = definitions["$defs"]
    for each in shared.values():
        each["description"] = each.get("description", "").partition("\n\n")[0]
    lines = []
    for number, (kind, _) in enumerate(kinds):
        described = shared[found[number, "serialization"]["$ref"].rpartition("/")[2]]
        lines.append(
            {
                **described,
                "properties": {"event": {"const": kind}, "time": _TIME, **described["properties"]},
                "required": ["event", "time", *described["required"]],
            }
        )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of --json",
        "description": "An event of lseg segment, embed, relabel or train.",
        "anyOf": lines,
        "$defs": _needed(lines, shared),
    }


def _kinds() -> list[tuple[str, type]]:
    """What each event holds, in the order in which a reader meets them."""
    from lseg_cli.results.records import Done, Embedded, Failed
    from lseg_cli.training.reports import EpochReport

    return [
        ("start", Start),
        ("done", Done),
        ("done", Embedded),
        ("failed", Failed),
        ("epoch", EpochReport),
        ("notice", Notice),
        ("error", Error),
        ("end", EndOfRun),
        ("end", End),
    ]


def _needed(lines: list[dict[str, Any]], shared: dict[str, Any]) -> dict[str, Any]:
    """The definitions that events refer to; their own stand in full already."""
    text = json.dumps(lines)
    return {name: each for name, each in shared.items() if f'"#/$defs/{name}"' in text}
