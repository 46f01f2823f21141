"""`lseg labels` as it is seen."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lseg_cli.console.terminal import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lseg_cli.data.labels import LabelSet
    from lseg_cli.data.vocabulary import Vocabulary
    from lseg_cli.runs.suggestion import Suggesting


def show_vocabulary(path: Path, vocabulary: "Vocabulary", notices: "Sequence[str]", console: Console) -> None:
    """What was compiled, and what is odd about it."""
    for notice in notices:
        console.note(f"Note: {notice}")
    encoder, count = vocabulary.encoder, len(vocabulary.labels)
    console.note(f"{path}: {count} labels, embedded by {encoder.name} (width {encoder.width}).")
    facts = {"file": str(path), "labels": count, "encoder": encoder.model_dump(mode="json"), "notices": list(notices)}
    console.event("compiled", facts)


def show_check(labels: "LabelSet", notices: "Sequence[str]", as_json: bool) -> None:
    """Notices on stdout, for they are the result: a line for each, or one JSON object."""
    if as_json:
        sys.stdout.write(json.dumps({"labels": len(labels.labels), "notices": list(notices)}, indent=2) + "\n")
        return
    for notice in notices:
        sys.stdout.write(f"{notice}\n")
    summary = f"{len(notices)} to look at" if notices else "nothing odd"
    sys.stdout.write(f"{len(labels.labels)} labels: {summary}.\n")


def show_suggestions(suggesting: "Suggesting", total: int, count: int, console: Console) -> bool:
    """The words on stdout, for they are the result; whether every picture could be read."""
    for _ in console.track(suggesting, total):
        pass
    for failure in suggesting.failures:
        console.line(failure)
    found = suggesting.found(count)
    if console.json_lines:
        console.event("suggested", {"words": [asdict(each) for each in found], "failures": suggesting.failures})
    else:
        for each in found:
            sys.stdout.write(f"{each.share:7.1%}  {each.word}  ({each.pictures} of {total} pictures)\n")
    return not suggesting.failures
