"""Any folder: pictures beside index masks, described by a `dataset.yaml`.

name: camvid
ignore: 255
splits:
  train: {images: images/train, masks: masks/train}
classes: [sky, building, ...]          # the label of mask id 0, 1, ...
"""

from pathlib import Path

from pydantic import Field, ValidationError, field_validator, model_validator

from lseg_cli.config import Frozen
from lseg_cli.data.formats import MASK_ENDINGS
from lseg_cli.data.sets.known import find_pictures, mirrored
from lseg_cli.data.split import Dataset
from lseg_cli.errors import DataError
from lseg_cli.reading import read_yaml

_LONGEST = 16_000_000  # bytes of a description


class SplitFolders(Frozen):
    """Folders of one split, relative to the file that names them."""

    images: str
    masks: str


class DatasetFile(Frozen):
    """The content of a `dataset.yaml`."""

    name: str
    ignore: int = Field(255, ge=0, le=255)
    splits: dict[str, SplitFolders]
    classes: tuple[str, ...] = Field(min_length=1)

    @field_validator("classes")
    @classmethod
    def _stripped(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(" ".join(name.split()) for name in classes)
        if not all(names):
            raise ValueError(f"class {names.index('')} has no name")
        return names

    @model_validator(mode="after")
    def _ignored_is_no_class(self) -> "DatasetFile":
        if self.ignore < len(self.classes):
            raise ValueError(f"id {self.ignore} is ignored and is the class '{self.classes[self.ignore]}' at once")
        return self


def read_description(path: Path) -> tuple[Path, DatasetFile]:
    """The description of a file, or of the folder that holds it as `dataset.yaml`; and where it lies.

    Raises:
        DataError: it cannot be read, or is none.
    """
    path = path / "dataset.yaml" if path.is_dir() else path
    content = read_yaml(path, "The data set", "is not a data set description")
    try:
        return path, DatasetFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise DataError(f"{path} is not a data set description: its {where} cannot be used: {first['msg']}.") from error


def list_folder(path: Path, split: str) -> Dataset:
    """One split of what a `dataset.yaml` describes; raises DataError for what is wrong with it."""
    path, described = read_description(path)
    if split not in described.splits:
        raise DataError(f"{path} has no split '{split}'; it has {', '.join(described.splits)}.")
    folders = described.splits[split]
    folder = path.parent / folders.images
    images, note = find_pictures(folder)
    masks = tuple(map(_as_it_lies, mirrored(images, folder, path.parent / folders.masks)))
    notes = [note] if note else []
    return Dataset(described.name, described.classes, described.ignore, tuple(images), masks, notes=notes)


def _as_it_lies(mask: Path) -> Path:
    """A mask may have any ending that keeps ids; a JPEG is taken too, and refused with a sentence when read."""
    if mask.is_file():
        return mask
    others = (mask.with_suffix(ending) for ending in (*MASK_ENDINGS, ".jpg", ".jpeg"))
    return next((path for path in others if path.is_file()), mask)
