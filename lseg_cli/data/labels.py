"""Labels as people type them: `"sky, road=road|street, other"`, a text file, JSON or YAML -> a checked `LabelSet`.

A label has a name (shown, written to files), prompts (what the text encoder reads; their embeddings are averaged) and
an id (the value in the mask). A compiled vocabulary carries embeddings too and is no matter of text: see
`lseg_cli.data.vocabulary`.

Ids follow the order, from 0, unless a file gives them, to all labels or none. Masks are 8-bit while every id is at most
254, with 255 for "ignore"; beyond that they are 16-bit, with 65535 for "ignore", and 255 is an id like any other. So
255 is refused where it alone would make the mask 16-bit, for everyone else reads it as "ignore" there: it is allowed
beside a higher id, and when all of 0 to 255 are in use.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, StrictInt, model_validator

from lseg_cli.config import Frozen
from lseg_cli.data.label_entries import (
    IGNORE_8_BIT,
    IGNORE_16_BIT,
    MAX_CHARS,
    MAX_LABELS,
    Color,
    Entry,
    Text,
    fold,
    parse_entry,
    shortened,
    split,
    unquoted,
    written,
)
from lseg_cli.data.label_files import expected_path, is_file, is_label_file, read_labels
from lseg_cli.data.vocabularies import find_vocabulary, similar_vocabulary
from lseg_cli.errors import LsegError

__all__ = [
    "IGNORE_8_BIT",
    "IGNORE_16_BIT",
    "MAX_CHARS",
    "Color",
    "Label",
    "LabelSet",
    "as_text",
    "fold",
    "parse_labels",
]

_OTHER_COMMAS = re.compile("[;\u3001\uff0c\u060c\uff1b]")  # and Chinese, Japanese and Arabic ones


class Label(Frozen):
    """One class of a segmentation. `prompts` defaults to the name."""

    name: Text
    prompts: tuple[Text, ...] = ()
    color: Color | None = None
    id: StrictInt = Field(ge=0, lt=IGNORE_16_BIT)

    @model_validator(mode="before")
    @classmethod
    def _name_is_the_prompt(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("prompts") and "name" in data:
            return {**data, "prompts": (data["name"],)}
        return data


class LabelSet(Frozen):
    """The labels of a run in the order of their embeddings; ids follow the rule in this file's header."""

    labels: tuple[Label, ...]

    @model_validator(mode="after")
    def _ids_are_sound(self) -> "LabelSet":
        if not self.labels:
            raise LsegError('No label is given; name at least one, such as --labels "sky,road,other".')
        ids = self.ids
        if len(set(ids)) < len(ids):
            twice = next(one for one, count in Counter(ids).items() if count > 1)
            raise LsegError(f"The id {twice} is given to more than one label; ids must be unique.")
        if max(ids) == IGNORE_8_BIT and len(ids) <= IGNORE_8_BIT:
            raise LsegError(
                "The id 255 means 'ignore' in an 8-bit mask and cannot be a label's; give that label a free id below "
                "255, or leave it out."
            )
        return self

    @classmethod
    def of(cls, names: Iterable[str]) -> "LabelSet":
        """Plain names, ids from 0; nothing is parsed, dropped or merged."""
        return cls(labels=tuple(Label(name=name, id=number) for number, name in enumerate(names)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names that people see, in order."""
        return tuple(label.name for label in self.labels)

    @property
    def prompts(self) -> tuple[tuple[str, ...], ...]:
        """The texts that the text encoder reads, at least one for each label."""
        return tuple(label.prompts for label in self.labels)

    @property
    def ids(self) -> tuple[int, ...]:
        """Values in the mask, in the order of the labels."""
        return tuple(label.id for label in self.labels)

    @property
    def ignore_id(self) -> int:
        """The value of pixels without a label: 255 in an 8-bit mask, 65535 in a 16-bit one."""
        return IGNORE_8_BIT if max(self.ids) < IGNORE_8_BIT else IGNORE_16_BIT

    def digest(self) -> str:
        """SHA-256 in hex over ids, names and prompts, in order: all that decides what a mask says."""
        facts = [[label.id, label.name, label.prompts] for label in self.labels]
        return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()


def parse_labels(text: str, reads_files: bool = True) -> tuple[LabelSet, list[str]]:
    r"""A label set from what stands behind `--labels`.

    Args:
        text: labels, files and known sets split at commas, ``sky, road=road|street, @more.txt, voc.yaml, ade20k``;
            ``\,`` ``\=`` ``\|`` ``\@`` ``\#`` ``\\`` stand for the character itself, other backslashes for themselves.
        reads_files: False for text of people who may not read this machine's files: no file is opened or looked for.

    Returns:
        The labels in order, and notices: labels given twice, a single label, commas within a line of a file.

    Raises:
        LsegError: no label; a file that is missing or broken; a text, colour or id that is not allowed.
    """
    notices: list[str] = []
    kept: dict[str, Entry] = {}
    for entry in _entries(text, notices, reads_files):
        first = kept.setdefault(fold(entry.name), entry)
        if first is not entry:
            notices.append(f"The label '{entry.name}' is given more than once; only the first counts.")
        if len(kept) > MAX_LABELS:
            raise LsegError(f"There are more than {MAX_LABELS:,} labels, which is all that a 16-bit mask can hold.")
    entries = list(kept.values())
    unnumbered = [entry.name for entry in entries if entry.id is None]
    if unnumbered and len(unnumbered) < len(entries):
        raise LsegError(f"Some labels have an id but '{unnumbered[0]}' has none; give ids to all labels or to none.")
    labels = LabelSet(
        labels=tuple(
            Label(name=one.name, prompts=one.prompts, color=one.color, id=number if one.id is None else one.id)
            for number, one in enumerate(entries)
        )
    )
    if len(entries) == 1:
        notices.append(_lone(entries[0].name))
    return labels, _at_most(notices)


def as_text(labels: LabelSet) -> str:
    """A label set as it is typed, from which `parse_labels` makes the same names and prompts; without colours and ids.

    A name that is that of a known set comes with its prompts, as in ``coco=coco``.
    """
    return ", ".join(
        written(label.name, label.prompts, is_plain=find_vocabulary(label.name) is None) for label in labels.labels
    )


def single_file(text: str) -> Path | None:
    """The file that a label text names, with or without an @, if it names one thing alone."""
    parts = [part for part in split(unquoted(text), ",") if part]
    return expected_path(parts[0].removeprefix("@")) if len(parts) == 1 else None


def count_empty(text: str) -> int:
    """Entries of a label text with nothing in them, as in ``sky,,road,``: they are dropped."""
    return split(text, ",").count("")


def _lone(name: str) -> str:
    is_several = re.search(r"\s", name) and not _OTHER_COMMAS.search(name)  # of which more is said already
    advice = "if these are several, separate them with commas" if is_several else "add another, such as other"
    return f"'{name}' is the only label: every pixel gets it; {advice}."


def _at_most(notices: list[str], most: int = 20) -> list[str]:
    """Return as many as someone will read."""
    left = len(notices) - most
    return [*notices[:most], f"There are {left} further notices of this kind."] if left > 0 else notices


def _entries(text: str, notices: list[str], reads_files: bool) -> Iterator[Entry]:
    for part in filter(None, split(unquoted(text), ",")):
        known = find_vocabulary(part)
        is_file_name = part.startswith("@") or is_label_file(part) or part.lower().endswith(".safetensors")
        if is_file_name and not reads_files:
            raise LsegError(f"{shortened(part)} names a file, and no files are read here; write the labels themselves.")
        if is_file_name:
            yield from read_labels(expected_path(part.removeprefix("@")), notices)
        elif known:
            yield from read_labels(known, notices)
        else:
            entry = parse_entry(part)
            notices += _doubts(part, entry.name, reads_files)
            yield entry


def _doubts(part: str, name: str, reads_files: bool) -> Iterator[str]:
    """Return the words that may be meant by another."""
    if similar := similar_vocabulary(part):
        yield f"'{name}' is taken for a word; the label set is called {similar}."
    if _OTHER_COMMAS.search(name):
        yield f"'{name}' is one label; separate labels with commas."
    if reads_files and is_file(str(expected_path(part))):
        yield f"'{name}' is taken for a word, and a file of that name is here; write @{part} to read labels from it."
