"""Every reader hands over the same: pictures with areas, or with masks that are painted already."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lseg_cli.importing.areas import Area
from lseg_cli.importing.reading import in_file

BACKGROUND = "other"  # what pixels without an area are called, where a tool labels all that is there to label


Drawn = TypeVar("Drawn")

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

    def areas(
        self,
        path: Path,
        drawn: Iterable[Drawn],
        as_area: Callable[[Drawn], Area | None],
        describe: Callable[[Drawn], str],
    ) -> tuple[Area, ...]:
        """Return the areas of what was drawn in a picture; what has none is counted in `notes`.

        Args:
            path: of the file that describes it, for errors.
            drawn: shapes, in their order.
            as_area: a shape's area; None: it has none.
            describe: a shape without an area, such as 'Annotations without a segmentation'.

        Raises:
            DataError: a shape cannot be understood.
        """
        areas = []
        for each in drawn:
            with in_file(path):
                area = as_area(each)
            if area is None:
                self.notes[f"{describe(each)}, passed over"] += 1
            else:
                areas.append(area)
        return tuple(areas)
