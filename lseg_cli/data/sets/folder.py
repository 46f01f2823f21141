"""Any folder: pictures beside index masks, described by a `dataset.yaml`.

name: camvid
ignore: 255
splits:
  train: {images: images/train, masks: masks/train}
classes: [sky, building, ...]          # the label of mask id 0, 1, ...
"""

from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from lseg_cli.config import Frozen
from lseg_cli.data.sets.known import mirrored, pictures
from lseg_cli.data.split import Dataset
from lseg_cli.errors import DataError


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


def read_description(path: Path) -> tuple[Path, DatasetFile]:
    """The description of a file, or of the folder that holds it as `dataset.yaml`; and where it lies.

    Raises:
        DataError: it cannot be read, or is none.
    """
    path = path / "dataset.yaml" if path.is_dir() else path
    try:
        return path, DatasetFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"The data set {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise DataError(f"{path} is not a data set description: its {where} cannot be used: {first['msg']}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a data set description: {' '.join(str(error).split())}.") from error


def list_folder(path: Path, split: str) -> Dataset:
    """One split of what a `dataset.yaml` describes; raises DataError for what is wrong with it."""
    path, described = read_description(path)
    if split not in described.splits:
        raise DataError(f"{path} has no split '{split}'; it has {', '.join(described.splits)}.")
    folders = described.splits[split]
    folder = path.parent / folders.images
    images = pictures(folder)
    masks = mirrored(images, folder, path.parent / folders.masks)
    return Dataset(described.name, described.classes, described.ignore, tuple(images), masks)
