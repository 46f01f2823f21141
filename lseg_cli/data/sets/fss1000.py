"""FSS-1000: ten pictures of each of 1000 classes, 520 to train on, 240 to validate, 240 to test; one thing a picture.

A mask is white where its folder's class is; the rest has no label. The split is lang-seg's (see
`fss1000-official` among the label sets), or that of HSNet's lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.fold_lists import find_list, read_lines, search_list
from lseg_cli.data.masks import IGNORE, Ids, read_grey
from lseg_cli.data.sets.known import KnownSet, SetFolder
from lseg_cli.data.sets.vocabulary import known_names
from lseg_cli.data.split import Dataset
from lseg_cli.errors import DataError

WHITE = 128  # and brighter
_NAMED = 20  # missing classes that are named
_SPLITS = {"trn": slice(0, 520), "val": slice(520, 760), "test": slice(760, 1000)}


@dataclass(frozen=True)
class FolderMask:
    """White pixels are of the class that the mask's folder is named after."""

    classes: tuple[str, ...]
    ignore: int

    def __call__(self, path: Path) -> Ids:
        """(H, W) ids: int16 where there are too many classes for 8 bits."""
        ids = np.where(read_white(path), self.classes.index(path.parent.name), self.ignore)
        return ids.astype(np.uint8) if self.ignore == IGNORE else ids.astype(np.int16)


def read_white(path: Path) -> NDArray[np.bool_]:
    """(H, W): where a mask is white, or 1 where it holds 0 and 1 alone."""
    grey = read_grey(path)
    return np.asarray(grey >= (WHITE if grey.max(initial=0) > 1 else 1))


def class_names(home: SetFolder) -> tuple[str, ...]:
    """The classes of a split, sorted as HSNet sorts them: of its list if there is one, else of lang-seg's."""
    if home.lists is None and search_list(home.root, "fss", home.split) is None:
        return known_names("fss1000-official").classes[_SPLITS[home.split]]
    path = find_list(home.lists, home.root, "fss", home.split)
    return tuple(sorted(read_lines(path)))


def find_pictures(home: SetFolder, classes: Sequence[str]) -> list[Path]:
    """Pictures by class, in each class sorted as text: 1, 10, 2, ...

    Raises:
        DataError: folders of classes are missing; says which, and what is there.
    """
    found = {name: sorted((home.base / name).glob("*.jpg")) for name in classes}
    missing = [name for name in classes if not found[name]]
    if missing and home.base.is_dir():
        there = sum(path.is_dir() for path in home.base.iterdir())
        named = ", ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else "")
        raise DataError(
            f"{home.base} lacks {len(missing)} of the {len(classes)} classes of '{home.split}': {named}; it holds "
            f"{there} folders, and must hold {home.known.layout}."
        )
    return [image for name in classes for image in found[name]]


def _list(home: SetFolder) -> Dataset:
    classes = class_names(home)
    images = find_pictures(home, classes)
    if not images:
        raise home.absent(home.base / classes[0] / "1.jpg")
    ignore = IGNORE if len(classes) <= IGNORE else len(classes)
    masks = tuple(image.with_suffix(".png") for image in images)
    return Dataset(home.known.name, classes, ignore, tuple(images), masks, FolderMask(classes, ignore))


FSS_1000 = KnownSet(
    name="fss1000",
    layout="FSS-1000/CLASS/{1,…,10}.{jpg,png}",
    list=_list,
    splits={"train": "trn", "val": "val", "test": "test"},
    containers=("FSS-1000",),
)
