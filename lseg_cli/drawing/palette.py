"""A colour for every label: the one it brings, the usual one of its name, or one made from the name.

A name has the same colour in every set, unless it would look like that of another label, also to people who do not tell
red from green: then the better known of the two keeps it, and the other gets the most similar one that is free.
"""

import colorsys
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lseg_cli.data.labels import IGNORE_8_BIT, Label, LabelSet, fold
from lseg_cli.drawing.color_difference import Chooser
from lseg_cli.errors import LsegError
from lseg_cli.reading import parse_json, parse_yaml, read_text, reading

RGB = tuple[int, int, int]

_MAX_BYTES = 1_000_000  # of a palette's file
_MAX_NAME = 1_000  # characters that are looked at
_MOST_SHOWN = 3  # names that a sentence says, and characters of each
_MOST_CHARACTERS = 30
IGNORE_COLOR: RGB = (255, 255, 255)  # white: black is 'background', and an ignored pixel is not background

_DIFFERENCE = 0.12  # of two labels, as `lseg_cli.drawing.color_difference` counts; of many labels less:
_DIFFERENCE_OF_MANY = 0.5  # divided by the root of their number, for so many colours there are
_MOST_CHOSEN = 256  # labels; of more, which no palette can keep apart, no two are the same
_LESS = 0.9  # of the difference, where nothing is left
_FACTS = Path(__file__).with_name("colors.json")


@dataclass(frozen=True)
class _Usual:
    """The usual colours of names, and other words for these."""

    colors: dict[str, RGB]
    synonyms: dict[str, str]
    ranks: dict[str, int]


@cache
def _usual() -> _Usual:
    facts = parse_json(_FACTS.read_text("utf-8"))
    sets = [facts[name] for name in ("ade20k", "cityscapes", "neutral")]  # of two colours of a name the later one
    known = {name: _rgb(color) for each in sets for name, color in each.items()}
    order = dict.fromkeys([*facts["first"], *facts["cityscapes"], *facts["ade20k"], *facts["neutral"]])
    return _Usual(known, facts["synonyms"], {name: rank for rank, name in enumerate(order)})


def colors(labels: LabelSet) -> list[RGB]:
    """The colours of a label set, in its order.

    A colour given with a label is taken as it is, even twice. All others look different from these and from one
    another: of two labels with the same usual colour (`road` and `street`) the one whose own it is keeps it and the
    other gets another one. Who gives way does not depend on the order of the labels.
    """
    chosen = {label.id: label.color for label in labels.labels if label.color is not None}
    taken = {IGNORE_COLOR, *chosen.values()}
    free = [label for label in labels.labels if label.color is None]
    chooser = Chooser(sorted(taken)) if len(labels.labels) <= _MOST_CHOSEN else None
    least = min(_DIFFERENCE, _DIFFERENCE_OF_MANY / math.sqrt(len(labels.labels)))
    for label in sorted(free, key=lambda one: (_rank(one.name), fold(one.name), one.prompts, one.id)):
        if chooser is None:
            color = next(color for color in _candidates(label) if color not in taken)
            taken.add(color)
        else:
            color = _choose(chooser, next(_candidates(label)), least)
            chooser.take(color)
        chosen[label.id] = color
    return [chosen[label.id] for label in labels.labels]


def _choose(chooser: Chooser, wanted: RGB, least: float) -> RGB:
    """The wanted colour, or the most similar one that is different enough from all others."""
    if chooser.is_free(wanted, least):
        return wanted
    while (color := chooser.nearest(wanted, least)) is None:
        least *= _LESS
    return color


def recolored(labels: LabelSet, path: str) -> tuple[LabelSet, list[str]]:
    """Labels in the colours of a file, and a notice on names in it that are not labels.

    Args:
        labels: some of which it names, or which it lists in order.
        path: of a `.json` or `.yaml` file: names and colours, or colours alone, as '#rrggbb' or [r, g, b].

    Raises:
        LsegError: the file cannot be read, or holds something else.
    """
    with reading(f"The palette {path}", "is not of names and colours, such as sky: '#4682b4'", LsegError):
        data = parse_yaml(read_text(Path(path), _MAX_BYTES))  # JSON is YAML too
        given = data if isinstance(data, dict) else dict(zip(labels.names, data, strict=False))
        table = {fold(str(name)[:_MAX_NAME]): _rgb(color) for name, color in given.items()}
    known = set(map(fold, labels.names))
    strange = [str(name) for name in given if fold(str(name)) not in known]
    if len(strange) == len(given):
        raise LsegError(f"The palette {path} names none of the labels, but {_shown(strange) or 'nothing'}.")
    recolor = (label.model_copy(update={"color": table.get(fold(label.name), label.color)}) for label in labels.labels)
    notices = [f"The palette {path} names words that are not labels: {_shown(strange)}."] if strange else []
    return labels.model_copy(update={"labels": tuple(recolor)}), notices


def _shown(names: list[str]) -> str:
    """A few names, for a sentence."""
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(repr(name[:_MOST_CHARACTERS]) for name in names[:_MOST_SHOWN]) + more


def _rgb(color: object) -> RGB:
    parts = list(bytes.fromhex(color.removeprefix("#"))) if isinstance(color, str) else color
    if (
        not isinstance(parts, list)
        or len(parts) != 3
        or not all(type(part) is int and 0 <= part < 256 for part in parts)
    ):
        raise ValueError(f"{color!r} is not a colour")
    return parts[0], parts[1], parts[2]


def png_palette(labels: LabelSet) -> bytes:
    """The palette of an 8-bit mask: 256 x RGB = 768 bytes, by id; 255 ('ignore') is white, unused ids are black.

    Raises:
        LsegError: some id is above 254; such a mask is 16-bit grey and has no palette.
    """
    if labels.ignore_id != IGNORE_8_BIT:
        raise LsegError(
            f"A palette ends at id 254 and these labels go up to {max(labels.ids)}; write 16-bit masks, without one."
        )
    palette = bytearray(768)
    for label, color in zip(labels.labels, colors(labels), strict=True):
        palette[3 * label.id : 3 * label.id + 3] = bytes(color)
    palette[3 * IGNORE_8_BIT :] = bytes(IGNORE_COLOR)
    return bytes(palette)


def _rank(name: str) -> int:
    """Who chooses first: names with a usual colour of their own, the best known first, then synonyms, then the rest."""
    key, ranks = fold(name), _usual().ranks
    return ranks[key] if key in ranks else len(ranks) + (key not in _usual().synonyms)


def _candidates(label: Label) -> Iterator[RGB]:
    key = fold(label.name)
    usual = _usual().colors.get(_usual().synonyms.get(key, key))
    if usual is not None:
        yield usual
    attempt = 0
    while True:
        yield _from_name(key, attempt)
        attempt += 1


def _from_name(key: str, attempt: int) -> RGB:
    """A colour from a hash: any hue, saturation 0.5 to 1, value 0.55 to 0.95, so neither too pale nor too dark."""
    digest = hashlib.sha256(f"{key}\0{attempt}".encode()).digest()
    hue, saturation, value = (int.from_bytes(digest[start : start + 4], "big") / 2**32 for start in (0, 4, 8))
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.5 + 0.5 * saturation, 0.55 + 0.4 * value)
    return round(255 * red), round(255 * green), round(255 * blue)
