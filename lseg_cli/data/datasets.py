"""Data sets in folders: pictures beside index masks, described by a `dataset.yaml`.

name: camvid
ignore: 255
splits:
  train: {images: images/train, masks: masks/train}
classes: [sky, building, ...]          # the label of mask id 0, 1, ...
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, ValidationError, model_validator

from lseg_cli.config import DataRef, Frozen
from lseg_cli.errors import DataError

_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


class SplitFolders(Frozen):
    """Folders of one split, relative to the file that names them."""

    images: str
    masks: str


class DatasetFile(Frozen):
    """What a `dataset.yaml` holds."""

    name: str
    ignore: int = Field(255, ge=0, le=255)
    splits: dict[str, SplitFolders]
    classes: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ignored_is_no_class(self) -> "DatasetFile":
        if self.ignore < len(self.classes):
            raise ValueError(f"id {self.ignore} is ignored and is the class '{self.classes[self.ignore]}' at once")
        return self


@dataclass(frozen=True)
class Dataset:
    """One split, ready to read: picture i is `images[i]`, its index mask `masks[i]`."""

    name: str
    classes: tuple[str, ...]
    ignore: int
    images: tuple[Path, ...]
    masks: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Picture (H, W, 3) uint8 RGB and mask (H, W) uint8 of ids."""
        return read_rgb(self.images[index]), read_mask(self.masks[index])


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """A training picture as it lies on disk: (H, W, 3) uint8 RGB. Masks have no EXIF, so it is not applied here."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as a picture: {error}.") from error


def read_mask(path: Path) -> NDArray[np.uint8]:
    """(H, W) uint8 ids, as stored: a palette is not looked up."""
    try:
        with Image.open(path) as image:
            ids = np.asarray(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as a mask: {error}.") from error
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise DataError(f"{path} is no index mask: it holds {ids.dtype} {ids.shape}; ids are one 8-bit channel.")
    return ids


def open_dataset(ref: DataRef) -> Dataset:
    """Lists one split.

    Raises:
        DataError: no such file, split or folder; a picture without a mask; an empty split.
    """
    path = Path(os.path.expandvars(ref.path)).expanduser()
    if "$" in str(path):
        raise DataError(f"{ref.path} names an environment variable that is not set.")
    try:
        described = DatasetFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"The data set {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise DataError(f"{path} is not a data set description: its {where} cannot be used: {first['msg']}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a data set description: {' '.join(str(error).split())}.") from error
    if ref.split not in described.splits:
        raise DataError(f"{path} has no split '{ref.split}'; it has {', '.join(described.splits)}.")
    folders = described.splits[ref.split]
    images, masks = _pairs(path.parent / folders.images, path.parent / folders.masks)
    return Dataset(described.name, described.classes, described.ignore, images, masks)


def _pairs(image_folder: Path, mask_folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    images = sorted(p for p in image_folder.rglob("*") if p.suffix.lower() in _IMAGE_SUFFIXES)
    if not images:
        raise DataError(f"The split is empty: {image_folder} holds no picture.")
    masks = [mask_folder / p.relative_to(image_folder).with_suffix(".png") for p in images]
    for image, mask in zip(images, masks, strict=True):
        if not mask.is_file():
            raise DataError(f"{image} has no mask: {mask} is missing.")
    return tuple(images), tuple(masks)


def check_dataset(dataset: Dataset) -> NDArray[np.int64]:
    """Reads every mask once, before the first step, and counts the pixels of each class.

    Returns:
        (number of classes,) pixel counts.

    Raises:
        DataError: a picture and its mask differ in size, or a mask holds an id without a label; names the file.
    """
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda i: _count(dataset, i), range(len(dataset))))
    return np.asarray(np.sum(counts, axis=0), np.int64)


def _count(dataset: Dataset, index: int) -> NDArray[np.int64]:
    ids = read_mask(dataset.masks[index])
    try:
        with Image.open(dataset.images[index]) as image:
            width, height = image.size
    except OSError as error:
        raise DataError(f"{dataset.images[index]} cannot be read as a picture: {error}.") from error
    if (height, width) != ids.shape:
        raise DataError(
            f"{dataset.images[index]} is {width} x {height}, its mask {ids.shape[1]} x {ids.shape[0]}: "
            "they must have the same size."
        )
    counts = np.bincount(ids.ravel(), minlength=256)
    for label_id in np.flatnonzero(counts):
        if label_id >= len(dataset.classes) and label_id != dataset.ignore:
            raise DataError(
                f"{dataset.masks[index]} holds id {label_id}, which has no label: {dataset.name} has "
                f"{len(dataset.classes)} classes (0 to {len(dataset.classes) - 1}) and ignores {dataset.ignore}."
            )
    return counts[: len(dataset.classes)]


def first_epoch_steps(datasets: Sequence[Dataset], pictures_per_step: int) -> int:
    """Steps that show every picture of the first set once."""
    return max(1, len(datasets[0]) // pictures_per_step)
