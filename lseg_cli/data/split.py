"""One split of a data set, whatever it looks like on disk: pictures, the files of their masks, and what these mean."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.images import Picture, displayed_size, open_picture, pixels_of
from lseg_cli.data.labels import fold
from lseg_cli.data.masks import AS_STORED, Decode, Ids
from lseg_cli.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """One split, ready to read: picture i is `images[i]`, its mask what `decode` makes of `masks[i]`.

    Raises:
        DataError: two classes have the same name.
    """

    name: str
    classes: tuple[str, ...]  # the label of mask id 0, 1, ...
    ignore: int
    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    decode: Decode = AS_STORED
    own_prompts: tuple[str, ...] = ()  # what is read for each class, where that is not its name
    notes: list[str] = field(default_factory=list, compare=False)  # what the user should know; reading adds to them
    holds: Callable[[Path], bool] = Path.is_file  # whether the file of a mask is there

    def __post_init__(self) -> None:
        first: dict[str, int] = {}
        for number, name in enumerate(self.classes):
            other = first.setdefault(fold(name), number)
            if other != number:
                raise DataError(f"{self.name} has two classes of one name: {other} and {number} are '{name}'.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The text that is encoded for each class: its name, unless published weights were taught another word."""
        return self.own_prompts or self.classes

    def read(self, index: int) -> tuple[NDArray[np.uint8], Ids]:
        """Picture (H, W, 3) uint8 RGB and mask (H, W) of ids; where the picture holds no data, the mask is ignored.

        Raises:
            DataError: as `open`.
        """
        picture, ids = self.open(index)
        if picture.valid is not None:
            ids = np.where(picture.valid, ids, ids.dtype.type(self.ignore))
        return pixels_of(picture.image), ids

    def open(self, index: int) -> tuple[Picture, Ids]:
        """The picture as it is displayed, and its mask as stored, (H, W) of ids.

        Raises:
            DataError: one of them cannot be read, or they differ in size; names the file.
        """
        picture, ids = open_picture(self.images[index]), self.read_ids(index)
        check_size(self.images[index], (picture.image.height, picture.image.width), ids)
        return picture, ids

    def read_ids(self, index: int) -> Ids:
        """The mask alone: (H, W) of ids."""
        return self.decode(self.masks[index])

    def missing(self, index: int) -> str:
        """A sentence if the picture or its mask is not there, else nothing."""
        if not self.images[index].is_file():
            return f"The picture {self.images[index]} is missing."
        if not self.holds(self.masks[index]):
            return f"{self.images[index]} has no mask: {self.masks[index]} is missing."
        return ""

    def count(self, index: int) -> NDArray[np.int64]:
        """Pixels of each class, and at the end of those that are ignored: (number of classes + 1,).

        Raises:
            DataError: picture and mask differ in size, or an id has no label; names the file.
        """
        ids = self.read_ids(index)
        check_size(self.images[index], displayed_size(self.images[index]), ids)
        counts = np.bincount(ids.ravel(), minlength=self.ignore + 1)
        for label_id in np.flatnonzero(counts):
            if label_id >= len(self.classes) and label_id != self.ignore:
                raise DataError(
                    f"{self.masks[index]} holds id {label_id}, which has no label: {self.name} has "
                    f"{len(self.classes)} classes (0 to {len(self.classes) - 1}) and ignores {self.ignore}."
                )
        return np.append(counts[: len(self.classes)], counts[self.ignore])


def check_size(path: Path, size: tuple[int, int], ids: Ids) -> None:
    """Check that a picture's (H, W) as displayed is that of its mask; the DataError names both."""
    if size != ids.shape:
        turned = " (EXIF turns the picture; turn the mask as well)" if size == ids.shape[::-1] else ""
        raise DataError(
            f"{path} is {size[1]} x {size[0]}, its mask {ids.shape[1]} x {ids.shape[0]}: they must have the same "
            f"size{turned}."
        )
