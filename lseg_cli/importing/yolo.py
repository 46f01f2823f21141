"""YOLO's segmentation text: `class x1 y1 x2 y2 ...` a line, in shares of the picture; `data.yaml` names the classes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError

from lseg_cli.data.decoding import decode
from lseg_cli.errors import DataError
from lseg_cli.importing.areas import Area
from lseg_cli.importing.labelled import Labelled, Source
from lseg_cli.importing.options import ImportOptions
from lseg_cli.importing.reading import Pictures, in_file, read_text
from lseg_cli.reading import read_yaml

SPLITS = ("train", "val", "test")


class _Description(BaseModel):
    path: str = ""
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    test: str | list[str] | None = None
    names: list[str] | dict[int, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each id."""
        names = self.names if isinstance(self.names, dict) else dict(enumerate(self.names))
        return tuple(names.get(index, f"class {index}") for index in range(max(names, default=-1) + 1))


def read(options: ImportOptions) -> Source:
    """Read `data.yaml`, or the folder that holds it.

    Raises:
        DataError: it is something else, or a line of a label file has an unknown class or too few numbers.
    """
    path = _find(options.source)
    content = read_yaml(path)
    try:
        description = _Description.model_validate(content)
    except ValidationError as error:
        raise DataError(
            f"{path} is not a data.yaml of YOLO: it must have names, and folders as train and val."
        ) from error
    source = Source(path.parent.name or "yolo", description.classes, ())
    source.pictures = list(_labelled(path.parent, description, source))
    if not source.pictures:
        raise DataError(f"{path} leads to no picture: its train and val must be folders of pictures.")
    return source


def _find(source: Path) -> Path:
    if source.is_file():
        return source
    found = sorted(source.glob("*.yaml")) + sorted(source.glob("*.yml"))
    if not found:
        raise DataError(f"{source} holds no data.yaml.")
    return found[0]


def _labelled(root: Path, description: _Description, source: Source) -> Iterator[Labelled]:
    for split in SPLITS:
        named = getattr(description, split)
        for each in [named] if isinstance(named, str) else named or []:
            folder = next((at for at in _places(root, description.path, each) if at.exists()), None)
            if folder is None and split == "test":
                source.notes["Splits called test whose folder is missing"] += 1
                continue
            if folder is None:
                raise DataError(f"The {split} pictures {each} are not below {root}.")
            for image in _pictures(folder, root):
                yield Labelled(image, _areas(_label_file(image), image, source), split=split)


def _places(root: Path, path: str, named: str) -> list[Path]:
    # Roboflow writes ../train/images for a folder beside the file itself.
    return [root / path / named, root / named, Path(path) / named, root / named.removeprefix("../")]


def _pictures(listed: Path, root: Path) -> list[Path]:
    if listed.is_dir():
        return Pictures(listed).all()
    finder = Pictures(root)
    return [finder.find(line.strip()) for line in read_text(listed).splitlines() if line.strip()]


def _label_file(image: Path) -> Path:
    """The last folder called `images` on its way is `labels` there."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _areas(path: Path, image: Path, source: Source) -> tuple[Area, ...]:
    if not path.is_file():
        source.notes["Pictures without a label file, which have no area"] += 1
        return ()
    width, height = decode(image, float("inf"), header_only=True).size
    areas = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        with in_file(path):
            index, points = int(cells[0]), np.array(cells[1:], np.float64)
        if not 0 <= index < len(source.classes):
            raise DataError(f"{path}, line {number}: class {index} is not named; there are {len(source.classes)}.")
        if len(points) == 4:
            source.notes["Boxes without an outline, passed over"] += 1
        elif len(points) < 6 or len(points) % 2:
            raise DataError(f"{path}, line {number}: {len(points)} numbers are not an outline of x and y.")
        else:
            areas.append(Area(source.classes[index], (points.reshape(-1, 2) * [width, height],)))
    return tuple(areas)
