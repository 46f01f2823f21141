"""One split of a data set, whatever it looks like on disk: pictures, the files of their masks, and what these mean."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.masks import AS_STORED, UNREADABLE, Decode, Ids, read_rgb
from lseg_cli.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """One split, ready to read: picture i is `images[i]`, its mask what `decode` makes of `masks[i]`."""

    name: str
    classes: tuple[str, ...]  # the label of mask id 0, 1, ...
    ignore: int
    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    decode: Decode = AS_STORED
    said: tuple[str, ...] = ()  # what is read for each class, where that is not its name

    def __len__(self) -> int:
        return len(self.images)

    @property
    def prompts(self) -> tuple[str, ...]:
        """What a text encoder reads for each class: its name, but where published weights were taught another word."""
        return self.said or self.classes

    def read(self, index: int) -> tuple[NDArray[np.uint8], Ids]:
        """Picture (H, W, 3) uint8 RGB and mask (H, W) of ids."""
        return read_rgb(self.images[index]), self.read_ids(index)

    def read_ids(self, index: int) -> Ids:
        """The mask alone: (H, W) of ids."""
        return self.decode(self.masks[index])

    def missing(self, index: int) -> str:
        """A sentence if the picture or its mask is not there, else nothing."""
        if not self.images[index].is_file():
            return f"The picture {self.images[index]} is missing."
        if not self.masks[index].is_file():
            return f"{self.images[index]} has no mask: {self.masks[index]} is missing."
        return ""

    def count(self, index: int) -> NDArray[np.int64]:
        """Pixels of each class, and at the end of those that are ignored: (number of classes + 1,).

        Raises:
            DataError: picture and mask differ in size, or an id has no label; names the file.
        """
        ids = self.read_ids(index)
        try:
            with Image.open(self.images[index]) as image:
                width, height = image.size
        except UNREADABLE as error:
            raise DataError(f"{self.images[index]} cannot be read as a picture: {error}.") from error
        if (height, width) != ids.shape:
            raise DataError(
                f"{self.images[index]} is {width} x {height}, its mask {ids.shape[1]} x {ids.shape[0]}: "
                "they must have the same size."
            )
        counts = np.bincount(ids.ravel(), minlength=self.ignore + 1)
        for label_id in np.flatnonzero(counts):
            if label_id >= len(self.classes) and label_id != self.ignore:
                raise DataError(
                    f"{self.masks[index]} holds id {label_id}, which has no label: {self.name} has "
                    f"{len(self.classes)} classes (0 to {len(self.classes) - 1}) and ignores {self.ignore}."
                )
        return np.append(counts[: len(self.classes)], counts[self.ignore])
