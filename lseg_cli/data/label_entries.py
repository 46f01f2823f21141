r"""One label as it is typed: `road`, `road|street`, `road=street|asphalt`; escapes and quotes.

``\,`` ``\=`` ``\|`` ``\@`` ``\#`` ``\'`` ``\"`` ``\\`` stand for the character itself, other backslashes for
themselves.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StrictStr

from lseg_cli.config import Frozen
from lseg_cli.errors import LsegError

MAX_CHARS = 200  # of a name or prompt: CLIP reads 77 tokens, so a longer text is a slip of the quotes
MAX_LABELS = 65_535  # ids of a 16-bit mask; one more is "ignore"
IGNORE_8_BIT, IGNORE_16_BIT = 255, 65535

_MAX_LINE = 100_000  # characters of one label with all its prompts
_ESCAPE = re.compile(r"\\([,=|@#'\"\\])")
_SPECIAL = re.compile(r"[,=|\\]|^[@#'\"]|['\"]$")
_NO_TEXT = {"Cc": "control character", "Cs": "broken character", "Zl": "line break", "Zp": "line break"}
_QUOTES = {"'": "'", '"': '"', "\u2018": "\u2019", "\u201c": "\u201d", "`": "`"}


def _clean(text: str) -> str:
    """Stripped and in Unicode's NFC, so that a name typed on macOS is the name typed elsewhere."""
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise LsegError("A label's name or prompt is empty; write a word.")
    if len(text) > MAX_CHARS:
        raise LsegError(f"The label '{text[:40]}...' has {len(text)} characters; at most {MAX_CHARS} are allowed.")
    for char in text:
        kind = _NO_TEXT.get(unicodedata.category(char))
        if kind:
            raise LsegError(
                f"The label {text[:40]!r} holds a {kind} (U+{ord(char):04X}); separate labels with commas, or put "
                "one on each line of a file and give @file."
            )
    return text


def fold(name: str) -> str:
    """The form in which two names are the same: `Sky` and `sky`."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def parse_color(value: object) -> object:
    """`#rrggbb` or three numbers -> three numbers.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return tuple(bytes.fromhex(value[1:]))
    is_three = isinstance(value, list | tuple) and len(value) == 3
    if is_three and all(type(one) is int and 0 <= one <= 255 for one in value):  # type: ignore[attr-defined]
        return value
    raise ValueError("write '#rrggbb', with the quotes (in YAML a bare # begins a comment), or [r, g, b] of 0 to 255")


Text = Annotated[StrictStr, AfterValidator(_clean)]
Channel = Annotated[StrictInt, Field(ge=0, le=255)]
Color = tuple[Channel, Channel, Channel]


class Entry(Frozen):
    """A label before it has its number."""

    name: Text
    prompts: tuple[Text, ...] = ()
    color: Annotated[Color | None, BeforeValidator(parse_color)] = None
    id: Annotated[StrictInt, Field(ge=0, lt=IGNORE_16_BIT)] | None = None


def split(text: str, separator: str) -> list[str]:
    """Cut at every separator that is not escaped; escapes stay as they are, white space around goes."""
    parts, start = [], 0
    for token in re.finditer(rf"\\.|{re.escape(separator)}", text, re.DOTALL):
        if token[0] == separator:
            parts.append(text[start : token.start()])
            start = token.end()
    return [part.strip() for part in (*parts, text[start:])]


def plain(text: str) -> str:
    """Text without its escapes."""
    return _ESCAPE.sub(r"\1", text)


def unquoted(text: str) -> str:
    """Text without quotes around it, which cmd.exe leaves on: 'sky','road' or 'sky,road'."""
    text = text.strip()
    parts = split(text, ",")
    if all(_is_quoted(part) for part in parts):
        return ",".join(part[1:-1] for part in parts)
    return text[1:-1] if _is_quoted(text) else text


def _is_quoted(text: str) -> bool:
    return len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and text[-2] != "\\"


def parse_entry(part: str) -> Entry:
    """`road`, `road|street` (named by its first word) or `road=street|asphalt`.

    Raises:
        LsegError: it cannot be read as one label.
    """
    if len(part) > _MAX_LINE:
        raise LsegError(f"The label '{part[:40]}...' has {len(part):,} characters; at most {_MAX_LINE:,} are read.")
    sides = split(part, "=")
    words = [plain(word) for word in split(sides[-1], "|") if word]
    named = split(sides[0], "|") if len(sides) == 2 else words[:1]
    if len(sides) > 2 or len(named) != 1 or not named[0]:
        raise LsegError(
            f"The label {shortened(part)} cannot be read; write name or name=word|word, "
            "with \\= and \\| for the characters themselves."
        )
    name = plain(named[0]) if len(sides) == 2 else named[0]
    unique: dict[str, str] = {}
    for word in words:
        unique.setdefault(fold(word), word)
    return Entry(name=name, prompts=tuple(unique.values()))


def written(name: str, prompts: Sequence[str], is_plain: bool = True) -> str:
    """A label as it is typed, which `parse_entry` reads again.

    Args:
        name: of the label.
        prompts: what the text encoder reads; the name alone where it is the only one.
        is_plain: the name alone is read as a label, and not as something else.
    """
    words = "|".join(map(_escaped, prompts))
    return words if is_plain and tuple(prompts) == (name,) else f"{_escaped(name)}={words}"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def shortened(value: object) -> str:
    """A value as it is shown in a sentence: a file can hold anything, of any size."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, list | tuple) and len(value) <= 4 and all(isinstance(one, str | int | None) for one in value):
        return "[" + ", ".join(map(shortened, value)) + "]"
    if isinstance(value, int) and abs(value) > 10**20:
        return "a very large number"
    return repr(value) if isinstance(value, int | float | None) else f"a {type(value).__name__}"
