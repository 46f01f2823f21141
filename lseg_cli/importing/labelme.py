"""LabelMe: a JSON file beside each picture; shapes lie one over the other in the order in which they were drawn.

Facts: labelme/utils/shape.py (`shapes_to_label`) of github.com/wkentaro/labelme.
"""

import base64
from collections.abc import Iterator
from math import hypot
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field

from lseg_cli.errors import DataError
from lseg_cli.importing.areas import Area, ellipse, png_bits, polygon, rectangle
from lseg_cli.importing.labelled import Labelled, Source
from lseg_cli.importing.options import ImportOptions
from lseg_cli.importing.reading import Pictures, read_json

IGNORED = "__ignore__"  # LabelMe's own names
BACKGROUND = "_background_"
_NO_AREA = "Shapes of kind {}, which have no area"


class _Shape(BaseModel):
    label: str
    points: list[tuple[float, float]]
    shape_type: str | None = "polygon"
    mask: str | None = None


class _File(BaseModel):
    image_path: str = Field(alias="imagePath")
    height: int | None = Field(None, alias="imageHeight")
    width: int | None = Field(None, alias="imageWidth")
    shapes: list[_Shape]


def read(options: ImportOptions) -> Source:
    """Read every JSON file of a folder; raises DataError for one that is something else."""
    files = sorted(options.source.rglob("*.json")) if options.source.is_dir() else [options.source]
    source = Source(options.source.stem, (), (), ignored=(IGNORED,))
    source.pictures = list(_labelled(files, options, source))
    return source


def _labelled(files: list[Path], options: ImportOptions, source: Source) -> Iterator[Labelled]:
    for path in files:
        data: _File = read_json(path, _File, "a file of LabelMe")
        found = source.areas(path, data.shapes, _area, lambda shape: _NO_AREA.format(shape.shape_type))
        areas = tuple(area for area in found if area.label != BACKGROUND)
        size = (data.height, data.width) if data.height and data.width else None
        yield Labelled(Pictures(options.images, path.parent).find(data.image_path), areas, size)


def _area(shape: _Shape) -> Area | None:
    points = np.array(shape.points, np.float64).reshape(-1, 2)
    kind = shape.shape_type or "polygon"
    if kind == "polygon" and len(points) >= 3:
        return Area(shape.label, (polygon(points.ravel()),))
    if kind == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points.min(0), points.max(0)
        return Area(shape.label, (rectangle(left, top, right, bottom),))
    if kind == "circle" and len(points) == 2:
        radius = hypot(*(points[1] - points[0]))
        return Area(shape.label, (ellipse(float(points[0, 0]), float(points[0, 1]), radius, radius),))
    if kind == "mask" and shape.mask and len(points):
        left, top = (int(value) for value in points.min(0))
        return Area(shape.label, bits=png_bits(base64.b64decode(shape.mask)), corner=(left, top))
    if kind in {"point", "line", "linestrip", "points"} or kind == "polygon":
        return None
    raise DataError(f"a shape of kind {kind!r} with {len(points)} points is unknown")
