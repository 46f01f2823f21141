"""What every reader hands over: pictures with areas or with masks that are painted already."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.importing.areas import Area

BACKGROUND = "other"  # what pixels without an area are called, where a tool labels all that is there to label


_SPLITS = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}


def split_name(text: str) -> str:
    """Return train, val or test if a file or folder is called so, with whatever around it; else nothing."""
    words = [_SPLITS.get(word, word) for word in re.findall("[a-z]+", text.lower())]
    return next((word for word in words if word in {"train", "val", "test"}), "")


@dataclass(frozen=True)
class Labelled:
    """A picture and what is known of its pixels: areas, or a mask.

    Attributes:
        image: the picture's file.
        areas: painted one over the other; the last is on top.
        size: height and width in px that the areas were drawn on; None: the picture's.
        mask: reads (H, W) uint8 ids of a mask that is painted already; None: there are areas.
        split: the source's own; "": none.
    """

    image: Path
    areas: tuple[Area, ...] = ()
    size: tuple[int, int] | None = None
    mask: Callable[[], NDArray[np.uint8]] | None = None
    split: str = ""


@dataclass
class Source:
    """A labelled set of another tool.

    Attributes:
        name: of the set.
        classes: the label of id 0, 1, ...; empty: those of the areas, in alphabetical order.
        pictures: in the order in which they were found.
        unlabelled: the label of pixels without an area; "": they are ignored.
        notes: what could not be kept, counted by sentence.
    """

    name: str
    classes: tuple[str, ...]
    pictures: Iterable[Labelled]
    unlabelled: str = BACKGROUND
    ignored: tuple[str, ...] = ()
    notes: Counter[str] = field(default_factory=Counter)
