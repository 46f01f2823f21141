"""`lseg schema`: the formats that programs read, as JSON Schema."""

import json
import sys
from typing import Annotated, Literal

import typer

from lseg_cli.console.events import events_schema

What = Annotated[Literal["events"], typer.Argument(metavar="WHAT", help="events: the lines of --json.")]


def schema(what: What) -> None:
    """Print a JSON Schema: events, of the lines that segment, embed, relabel and train print with --json.

    Example: lseg schema events > events.schema.json
    """
    schemas = {"events": events_schema}
    sys.stdout.write(json.dumps(schemas[what](), indent=2) + "\n")
