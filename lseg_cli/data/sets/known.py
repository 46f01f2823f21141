"""The common part of known data sets: their folders, splits and folds, and the sentence if a folder is missing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lseg_cli.data.formats import is_left_out, is_picture, passed_over
from lseg_cli.data.split import Dataset
from lseg_cli.errors import DataError, LsegError

TRAIN_VAL = {"train": "train", "val": "val"}


@dataclass(frozen=True)
class SetFolder:
    """The folder in which one split of a known set should lie."""

    known: "KnownSet"
    root: Path  # as the user named it: the folder that holds the set's own, or that one itself
    split: str  # as the set calls it
    fold: int = 0
    lists: Path | None = None  # folder of split lists; None: looked for under the root

    @cached_property
    def base(self) -> Path:
        """The set's own folder."""
        inner = (self.root / name for name in self.known.containers)
        return next((folder for folder in inner if folder.is_dir()), self.root)

    def find(self, *choices: str) -> Path:
        """The first of these files or folders, relative to the set's own folder, that is there.

        Raises:
            DataError: none is.
        """
        for choice in choices:
            if (self.base / choice).exists():
                return self.base / choice
        raise self.absent(self.base / choices[0])

    def absent(self, path: Path) -> DataError:
        """Return the error for a missing file or folder; it shows the expected layout."""
        if not self.root.is_dir():
            path = self.root
        return DataError(f"{path} is missing: of {self.known.name}, {self.root} must hold {self.known.layout}.")


@dataclass(frozen=True)
class KnownSet:
    """A data set that is known by name."""

    name: str
    layout: str  # what the root holds, for people
    list: Callable[[SetFolder], Dataset]
    splits: Mapping[str, str]  # as people call them -> as the set does
    containers: tuple[str, ...] = ()  # what the folder in the root that holds everything may be called
    folds: int = 0

    def check_split(self, split: str) -> None:
        """Check that there is such a split; raises DataError."""
        if split not in self.splits:
            raise DataError(f"{self.name} has no split '{split}'; it has {', '.join(self.splits)}.")

    def home(self, root: Path, split: str, fold: int | None, lists: Path | None) -> SetFolder:
        """Return the folder in which one split should lie.

        Raises:
            DataError: there is no such split.
            LsegError: a fold is missing, out of range, or not for this set.
        """
        self.check_split(split)
        if self.folds and (fold is None or not 0 <= fold < self.folds):
            raise LsegError(f"{self.name} comes in folds: say which, 0 to {self.folds - 1} (given: {fold}).")
        if not self.folds and fold is not None:
            raise LsegError(f"{self.name} has no folds; leave the fold {fold} out.")
        return SetFolder(self, root, self.splits[split], fold or 0, lists)


def pictures(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted.

    Raises:
        DataError: there is none.
    """
    return find_pictures(folder)[0]


def find_pictures(folder: Path) -> tuple[list[Path], str]:
    """Return the same as `pictures`, and a sentence on files that were passed over, or nothing."""
    others: Counter[str] = Counter()
    found = []
    for path in sorted(folder.rglob("[!.]*")):  # hidden ones are what macOS leaves beside pictures
        if any(is_left_out(part) for part in path.relative_to(folder).parts[:-1]):
            continue
        if is_picture(path.name):
            found.append(path)
        elif not path.is_dir():
            others[path.suffix.lower()] += 1
    note = passed_over(others)
    if not found:
        raise DataError(f"The split is empty: {folder} holds no picture.{note and ' '}{note}")
    return found, note


def mirrored(
    images: Sequence[Path], folder: Path, masks: Path, ends: tuple[str, str] = ("", ".png")
) -> tuple[Path, ...]:
    """The masks that lie in `masks` as the pictures do in `folder`.

    Args:
        images: below `folder`.
        folder: of the pictures.
        masks: folder of the masks.
        ends: what a picture's name ends with before its suffix, and what a mask's has in its place.
    """
    of_image, of_mask = ends
    return tuple(
        masks / image.relative_to(folder).with_name(image.stem.removesuffix(of_image) + of_mask) for image in images
    )
