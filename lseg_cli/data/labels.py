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
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StrictStr, ValidationError, model_validator

from lseg_cli.config import Frozen
from lseg_cli.data.vocabularies import find_vocabulary
from lseg_cli.errors import LsegError

MAX_CHARS = 200  # of a name or prompt: CLIP reads 77 tokens, so a longer text is a slip of the quotes
IGNORE_8_BIT, IGNORE_16_BIT = 255, 65535

_STRUCTURED = (".json", ".yaml", ".yml")
_TOKEN = re.compile(r"\\.|.", re.DOTALL)  # an escaped character or a plain one
_ESCAPE = re.compile(r"\\([,=|@#\\])")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_NO_TEXT = {"Cc": "control character", "Cs": "broken character", "Zl": "line break", "Zp": "line break"}


def _clean(text: str) -> str:
    """Stripped and in Unicode's NFC, so that a name typed on macOS is the name typed elsewhere."""
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise LsegError("A label's name or prompt is empty; write a word.")
    for char in text:
        kind = _NO_TEXT.get(unicodedata.category(char))
        if kind:
            raise LsegError(
                f"The label {text[:40]!r} holds a {kind} (U+{ord(char):04X}); separate labels with commas, or put "
                "one on each line of a file and give @file."
            )
    if len(text) > MAX_CHARS:
        raise LsegError(f"The label '{text[:40]}...' has {len(text)} characters; at most {MAX_CHARS} are allowed.")
    return text


def fold(name: str) -> str:
    """The form in which two names are the same: `Sky` and `sky`."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


Text = Annotated[StrictStr, AfterValidator(_clean)]
Channel = Annotated[StrictInt, Field(ge=0, le=255)]
Color = tuple[Channel, Channel, Channel]


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
            twice = next(one for one in ids if ids.count(one) > 1)
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
        """What people see, in order."""
        return tuple(label.name for label in self.labels)

    @property
    def prompts(self) -> tuple[tuple[str, ...], ...]:
        """What the text encoder reads, for each label at least one."""
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


def parse_labels(text: str) -> tuple[LabelSet, list[str]]:
    r"""A label set from what stands behind `--labels`.

    Args:
        text: labels, files and known sets split at commas, ``sky, road=road|street, @more.txt, voc.yaml, ade20k``;
            ``\,`` ``\=`` ``\|`` ``\@`` ``\#`` ``\\`` stand for the character itself, other backslashes for themselves.

    Returns:
        The labels in order, and notices: labels given twice, a single label, commas within a line of a file.

    Raises:
        LsegError: no label; a file that is missing or broken; a text, colour or id that is not allowed.
    """
    notices: list[str] = []
    kept: dict[str, _Entry] = {}
    for entry in _entries(text, notices):
        first = kept.setdefault(fold(entry.name), entry)
        if first is not entry:
            notices.append(f"The label '{entry.name}' is given more than once; only the first counts.")
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
        notices.append(f"'{entries[0].name}' is the only label: every pixel gets it; add another, such as other.")
    return labels, notices


def single_file(text: str) -> Path | None:
    """The file that a label text names, with or without an @, if it names one thing alone."""
    parts = [part for part in _split(text, ",") if part]
    return _path(parts[0].removeprefix("@")) if len(parts) == 1 else None


def count_empty(text: str) -> int:
    """Entries of a label text with nothing in them, as in ``sky,,road,``: they are dropped."""
    return _split(text, ",").count("")


def _color(value: object) -> object:
    """`#rrggbb` or three numbers -> three numbers."""
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return tuple(bytes.fromhex(value[1:]))
    if isinstance(value, list) and len(value) == 3 and all(type(one) is int and 0 <= one <= 255 for one in value):
        return value
    raise ValueError("write '#rrggbb', with the quotes (in YAML a bare # begins a comment), or [r, g, b] of 0 to 255")


class _Entry(Frozen):
    """A label before it has its number."""

    name: Text
    prompts: tuple[Text, ...] = ()
    color: Annotated[Color | None, BeforeValidator(_color)] = None
    id: Annotated[StrictInt, Field(ge=0, lt=IGNORE_16_BIT)] | None = None


def _split(text: str, separator: str) -> list[str]:
    """Cut at every separator that is not escaped; escapes stay as they are."""
    parts = [""]
    for token in _TOKEN.findall(text):
        if token == separator:
            parts.append("")
        else:
            parts[-1] += token
    return [part.strip() for part in parts]


def _plain(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)


def _entries(text: str, notices: list[str]) -> Iterator[_Entry]:
    for part in filter(None, _split(text, ",")):
        if part.startswith("@"):
            yield from _from_file(part[1:], notices)
        elif part.lower().endswith((*_STRUCTURED, ".safetensors")):
            yield from _from_file(part, notices)
        elif known := find_vocabulary(part):
            yield from _from_file(str(known), notices)
        else:
            yield _from_text(part)


def _from_text(part: str) -> _Entry:
    """`road`, `road|street` (named by its first word) or `road=street|asphalt`."""
    sides = _split(part, "=")
    words = [_plain(word) for word in _split(sides[-1], "|") if word]
    named = _split(sides[0], "|") if len(sides) == 2 else words[:1]
    if len(sides) > 2 or len(named) != 1 or not named[0]:
        raise LsegError(
            f"The label {part!r} cannot be read; write name or name=word|word, "
            "with \\= and \\| for the characters themselves."
        )
    name = _plain(named[0]) if len(sides) == 2 else named[0]
    unique: dict[str, str] = {}
    for word in words:
        unique.setdefault(fold(word), word)
    return _Entry(name=name, prompts=tuple(unique.values()))


def _path(name: str) -> Path:
    return Path(name.replace("\\,", ","))  # no other escape: a backslash is a folder on Windows


def _from_file(name: str, notices: list[str]) -> Iterator[_Entry]:
    path = _path(name)
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        raise LsegError(
            f"{path} is no list of labels; labels come from .txt, .json, .yaml or .yml files, and a compiled "
            "vocabulary stands alone."
        )
    try:
        text = path.expanduser().read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LsegError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    except (OSError, ValueError, RuntimeError) as error:  # the last: no such user in ~user
        reason = getattr(error, "strerror", None) or error
        raise LsegError(
            f"The label file '{path}' cannot be read ({reason}); give the path of an existing file."
        ) from error
    if suffix in _STRUCTURED:
        yield from _from_data(path, _load(path, text))
    else:
        yield from _from_lines(path, text, notices)


def _from_lines(path: Path, text: str, notices: list[str]) -> Iterator[_Entry]:
    lines = [_COMMENT.sub("", line).strip() for line in text.split("\n")]
    for number, line in enumerate(lines, 1):
        try:
            if line.startswith("@"):
                raise LsegError(
                    f"{line!r} names a further file; list both in --labels, or write \\@ for the character."
                )
            if line:
                yield _from_text(line)
        except LsegError as error:
            raise LsegError(f"{path}, line {number}: {error}") from error
    commas = [line for line in lines if len(_split(line, ",")) > 1]
    if commas:
        notices.append(f"{path} has one label per line: '{commas[0]}', with its commas, is one label.")


def _load(path: Path, text: str) -> object:
    import yaml  # noqa: PLC0415  only who gives such a file waits for it

    try:
        data: object = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise LsegError(f"{path} is no valid {path.suffix[1:].upper()}: {reason}.") from error
    return data


def _from_data(path: Path, data: object) -> Iterator[_Entry]:
    if not isinstance(data, list):
        raise LsegError(
            f"{path} holds a {type(data).__name__}; it must be a list of words or of {{name, prompts, color, id}}."
        )
    for number, item in enumerate(data, 1):
        fields = item if isinstance(item, dict) else {"name": item}
        try:
            yield _Entry.model_validate(fields)
        except ValidationError as error:
            raise LsegError(f"{path}, label {number}: {_explain(error)}") from error
        except LsegError as error:
            raise LsegError(f"{path}, label {number}: {error}") from error


def _explain(error: ValidationError) -> str:
    """The first thing wrong with a label in a file, as a sentence."""
    first = error.errors()[0]
    key = first["loc"][0] if first["loc"] else "name"
    if first["type"] == "extra_forbidden":
        return f"the key {key!r} is not known; allowed are name, prompts, color and id."
    if first["type"] == "missing":
        return f"the key {key!r} is missing."
    if first["type"] == "string_type":
        return f"{key} is {first['input']!r}, not text; put it in quotes."
    return f"{key} is {first['input']!r}: {first['msg'].removeprefix('Value error, ')}."
