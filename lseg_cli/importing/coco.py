"""COCO's JSON of instances or stuff: polygons, run lengths, crowds. Read by pycocotools, as COCO's own tools do."""

import importlib
import warnings
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from lseg_cli.errors import DataError, MissingError
from lseg_cli.importing.areas import Area
from lseg_cli.importing.labelled import Labelled, Source, split_name
from lseg_cli.importing.options import ImportOptions
from lseg_cli.importing.reading import Pictures, read_json

_MOST_PX = 2**15  # of a side
_MOST_AREA_PX = 2**28  # of a picture
_FAR_PX = 2**16  # no corner of a polygon lies farther out
_LONGEST_PX = 5e7  # outline of the polygons of an area: pycocotools makes five points of each pixel of it


class _Image(BaseModel):
    id: int
    file_name: str
    height: int = Field(gt=0, le=_MOST_PX)
    width: int = Field(gt=0, le=_MOST_PX)


class _Runs(BaseModel):
    size: tuple[int, int]
    counts: list[int] | str


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    segmentation: list[list[float]] | _Runs = Field(default_factory=list)
    area: float = 0.0


class _Category(BaseModel):
    id: int
    name: str


class _File(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read(options: ImportOptions) -> Source:
    """Read one JSON file, or every one of a folder (`instances_train.json`, `val.json`: a split each).

    Raises:
        DataError: a file is something else, or an annotation has no category.
        MissingError: pycocotools is not installed.
    """
    coder = _coder()
    files = sorted(options.source.rglob("*.json")) if options.source.is_dir() else [options.source]
    root = options.source if options.source.is_dir() else options.source.parent
    source = Source(options.source.stem, (), ())
    names: dict[str, None] = {}
    parts: list[tuple[Path, _File]] = []
    for path in files:
        data: _File = read_json(path, _File, "COCO's JSON of instances")
        names.update(dict.fromkeys(each.name for each in sorted(data.categories, key=lambda each: each.id)))
        parts.append((path, data))
    source.classes = tuple(names)
    pictures = Pictures(options.images, root, root.parent)
    source.pictures = [each for path, data in parts for each in _labelled(path, data, pictures, source, coder)]
    return source


def _labelled(path: Path, data: _File, pictures: Pictures, source: Source, coder: Any) -> Iterator[Labelled]:
    names = {each.id: each.name for each in data.categories}
    by_image: dict[int, list[_Annotation]] = defaultdict(list)
    for annotation in data.annotations:
        if annotation.category_id not in names:
            raise DataError(f"{path} has an annotation of category {annotation.category_id}, which it does not name.")
        by_image[annotation.image_id].append(annotation)
    split = split_name(path.stem) or split_name(path.parent.name)
    for image in data.images:
        if image.height * image.width > _MOST_AREA_PX:
            raise DataError(f"{path}: {image.file_name} has {image.width} x {image.height} pixels, which are too many.")
        # Large areas first, so that what lies on them stays to be seen: COCO has no order of its own.
        found = sorted(by_image[image.id], key=lambda each: -each.area)
        as_area = partial(_area, names=names, image=image, coder=coder)
        areas = source.areas(path, found, as_area, lambda _: "Annotations without a segmentation")
        yield Labelled(pictures.find(image.file_name), areas, (image.height, image.width), split=split)


def _area(annotation: _Annotation, names: dict[int, str], image: _Image, coder: Any) -> Area | None:
    name, segmentation = names[annotation.category_id], annotation.segmentation
    if not segmentation:
        return None
    if isinstance(segmentation, _Runs):
        if segmentation.size != (image.height, image.width):
            raise DataError(f"run lengths of {segmentation.size} for a picture of {(image.height, image.width)}")
        runs: Any = segmentation.model_dump()
        if isinstance(segmentation.counts, list):
            counts = segmentation.counts
            if min(counts, default=0) < 0 or sum(counts) != image.height * image.width:
                raise DataError(f"run lengths of {sum(counts)} pixels for a picture of {image.height * image.width}")
            runs = coder.frPyObjects(runs, image.height, image.width)
    else:
        polygons = [each for each in segmentation if len(each) >= 6]
        if not polygons:
            return None
        _check_outlines(polygons)
        runs = coder.merge(coder.frPyObjects(polygons, image.height, image.width))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools 2.0.11 with NumPy 2
        return Area(name, bits=np.asarray(coder.decode(runs), bool))


def _check_outlines(polygons: list[list[float]]) -> None:
    """Raise DataError where pycocotools would fill gigabytes with an outline."""
    length = 0.0
    for each in polygons:
        corners = np.asarray(each[: len(each) // 2 * 2], np.float64).reshape(-1, 2)
        if not (np.abs(corners) <= _FAR_PX).all():
            raise DataError("a polygon reaches far outside its picture")
        length += float(np.abs(np.diff(corners, axis=0, append=corners[:1])).sum())
    if length > _LONGEST_PX:
        raise DataError(f"the outline of its polygons has {length:.0f} pixels; at most {_LONGEST_PX:.0f} are read")


def _coder() -> Any:
    try:
        return importlib.import_module("pycocotools.mask")
    except ImportError as error:
        raise MissingError("COCO's JSON needs the package pycocotools: pip install 'lseg-cli[coco]'.") from error
