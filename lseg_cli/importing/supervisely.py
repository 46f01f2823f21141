"""Supervisely's projects: `meta.json`, and for each picture in `img/` a JSON file in `ann/`.

Facts: docs.supervisely.com, "Annotation JSON format": a bitmap is a PNG, packed by zlib, in base64.
"""

import base64
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field

from lseg_cli.errors import DataError
from lseg_cli.importing.areas import Area, png_bits, polygon, rectangle
from lseg_cli.importing.labelled import Labelled, Source, split_name
from lseg_cli.importing.options import ImportOptions
from lseg_cli.importing.reading import read_json

_MOST_BITMAP = 2**28  # bytes of a PNG before zlib packed it


class _Class(BaseModel):
    title: str


class _Meta(BaseModel):
    classes: list[_Class]


class _Size(BaseModel):
    height: int
    width: int


class _Points(BaseModel):
    exterior: list[tuple[float, float]] = Field(default_factory=list)
    interior: list[list[tuple[float, float]]] = Field(default_factory=list)


class _Bitmap(BaseModel):
    data: str
    origin: tuple[int, int]


class _Object(BaseModel):
    title: str = Field(alias="classTitle")
    kind: str = Field("polygon", alias="geometryType")
    points: _Points | None = None
    bitmap: _Bitmap | None = None


class _Annotation(BaseModel):
    size: _Size
    objects: list[_Object]


def read(options: ImportOptions) -> Source:
    """Read a project's folder; its data sets are its splits where they are called so.

    Raises:
        DataError: there is no meta.json or no annotation, or one is something else.
    """
    meta: _Meta = read_json(options.source / "meta.json", _Meta, "meta.json of Supervisely")
    source = Source(options.source.name, tuple(each.title for each in meta.classes), ())
    source.pictures = list(_labelled(options.source, source))
    return source


def _labelled(root: Path, source: Source) -> Iterator[Labelled]:
    files = sorted(root.rglob("ann/*.json"))
    if not files:
        raise DataError(f"{root} holds no annotation: looked for ann/*.json.")
    for path in files:
        data: _Annotation = read_json(path, _Annotation, "an annotation of Supervisely")
        areas = source.areas(path, data.objects, _area, lambda each: f"Objects of kind {each.kind}, which have no area")
        image = path.parent.parent / "img" / path.stem  # photo.jpg.json; long ago photo.json
        found = image if image.is_file() else next(iter(sorted(image.parent.glob(f"{path.stem}.*"))), None)
        if found is None:
            raise DataError(f"{path} has no picture {image}.")
        split = split_name(path.parent.parent.name)
        yield Labelled(found, areas, (data.size.height, data.size.width), split=split)


def _area(found: _Object) -> Area | None:
    if found.kind == "bitmap" and found.bitmap:
        unpacker = zlib.decompressobj()
        png = unpacker.decompress(base64.b64decode(found.bitmap.data), _MOST_BITMAP)
        return Area(found.title, bits=png_bits(png), corner=found.bitmap.origin)
    if found.points is None or found.kind not in {"polygon", "rectangle"}:
        return None
    outer = np.array(found.points.exterior, np.float64).reshape(-1, 2)
    if found.kind == "rectangle":
        (left, top), (right, bottom) = outer.min(0), outer.max(0)
        return Area(found.title, (rectangle(left, top, right, bottom),))
    holes = tuple(polygon(np.array(hole, np.float64).ravel()) for hole in found.points.interior)
    return Area(found.title, (outer,), holes)
