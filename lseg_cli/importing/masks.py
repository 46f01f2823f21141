"""Masks that are painted already, in colours, indices or black and white; and the polygons of Cityscapes."""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from lseg_cli.data.formats import is_picture
from lseg_cli.errors import DataError
from lseg_cli.importing.areas import IGNORE, Area, polygon
from lseg_cli.importing.labelled import BACKGROUND, Labelled, Source
from lseg_cli.importing.options import ImportOptions
from lseg_cli.importing.reading import (
    Pictures,
    read_colours,
    read_index_mask,
    read_json,
    read_table,
    read_text,
)

_VOID = {
    "void",
    "ignore",
    "unlabeled",
    "unlabelled",
    "out of roi",
    "ego vehicle",
    "rectification border",
    "license plate",
}
Colour = tuple[int, int, int]
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table",
    "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip
_MASK_FOLDERS = ("SegmentationClass", "SegmentationClassAug", "masks", "labels", "annotations")
_IMAGE_FOLDERS = ("JPEGImages", "images", "imgs", ".")
_ROBOFLOW = {"train": "train", "valid": "val", "test": "test"}
_GROUP = "group"


def read_voc(options: ImportOptions) -> Source:
    """Read colour masks of VOC's layout with a `labelmap.txt`: CVAT's "segmentation mask 1.1", datumaro, and others.

    Raises:
        DataError: the table or the masks are missing, or a mask has a colour that the table does not name.
    """
    root = options.source
    table = options.classes or next(iter(sorted(root.rglob("labelmap.txt"))), None)
    rows = read_table(table) if table else _palette_rows(root)
    return _coloured(options, table or root, rows, _splits(root / "ImageSets" / "Segmentation"))


def _palette_rows(root: Path) -> list[tuple[str, Colour]]:
    """The colours of VOC's palette, in the order of LabelMe's `class_names.txt` or of VOC's own classes."""
    names = list(VOC_CLASSES)
    if (root / "class_names.txt").is_file():
        names = [line.strip() for line in read_text(root / "class_names.txt").splitlines() if line.strip()]
    return [*zip(names, map(_palette_colour, range(len(names))), strict=True), ("void", _palette_colour(255))]


def _palette_colour(index: int) -> Colour:
    """Of an id in VOC's palette: the bits of the id are dealt to red, green and blue in turn, the highest first."""
    bits = [[index >> (3 * place + channel) & 1 for place in range(3)] for channel in range(3)]
    red, green, blue = (sum(bit << (7 - place) for place, bit in enumerate(each)) for each in bits)
    return red, green, blue


def read_coloured(options: ImportOptions) -> Source:
    """Read colour PNGs with a table of colours (`--classes`, or `class_dict.csv`); raises as `read_voc`."""
    table = options.classes or next(iter(sorted(options.source.glob("*class*.csv"))), None)
    if table is None:
        raise DataError("Colour masks need a table of colours: --classes FILE with lines 'name,r,g,b'.")
    return _coloured(options, table, read_table(table), {})


def _coloured(options: ImportOptions, table: Path, rows: list[tuple[str, Colour]], splits: dict[str, str]) -> Source:
    rows = [(BACKGROUND if name.strip("_") == "background" else name, colour) for name, colour in rows]
    names = tuple(dict.fromkeys(name for name, _ in rows if name.lower() not in _VOID))
    ids = {name: index for index, name in enumerate(names)}
    colours = {colour: ids.get(name, IGNORE) for name, colour in rows}
    masks = _folder(options.source, _MASK_FOLDERS)
    source = Source(options.source.name, names, (), unlabelled="")
    finder = Pictures(options.images, *(options.source / name for name in _IMAGE_FOLDERS))
    source.pictures = [
        Labelled(
            finder.find(mask.stem), mask=partial(_by_colour, mask, colours, table), split=splits.get(mask.stem, "")
        )
        for mask in _masks(masks)
    ]
    return source


def _by_colour(path: Path, ids: dict[tuple[int, int, int], int], table: Path) -> NDArray[np.uint8]:
    rgb = read_colours(path).astype(np.uint32)
    packed = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    values, inverse = np.unique(packed, return_inverse=True)
    found = []
    for value in values:
        colour = int(value >> 16), int(value >> 8 & 255), int(value & 255)
        if colour not in ids:
            raise DataError(f"{path} holds the colour {colour}, which {table} does not name.")
        found.append(ids[colour])
    return np.array(found, np.uint8)[inverse].reshape(packed.shape)


def read_roboflow(options: ImportOptions) -> Source:
    """Read Roboflow's semantic masks: `photo.jpg` beside `photo_mask.png`, and `_classes.csv` in every split.

    Raises:
        DataError: a table or mask is missing, or a mask holds a value that its table does not name.
    """
    tables = sorted(options.source.rglob("_classes.csv"))
    if not tables:
        raise DataError(f"{options.source} holds no _classes.csv, as Roboflow's semantic masks have.")
    by_folder = {table.parent: _indices(table) for table in tables}
    names = tuple(dict.fromkeys(name for indices in by_folder.values() for name in indices.values()))
    source = Source(options.source.name, names, (), unlabelled="")
    source.pictures = [
        Labelled(
            Pictures(folder).find(mask.name.removesuffix("_mask.png")),
            mask=partial(_by_index, mask, {raw: names.index(name) for raw, name in indices.items()}),
            split=_ROBOFLOW.get(folder.name, ""),
        )
        for folder, indices in by_folder.items()
        for mask in sorted(folder.glob("*_mask.png"))
    ]
    return source


def _indices(table: Path) -> dict[int, str]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(read_text(table).splitlines()) if len(row) > 1]
    found = {int(row[0]): row[1] for row in rows if row[0].isdecimal()}
    return {raw: BACKGROUND if name == "background" else name for raw, name in found.items()}


def _by_index(path: Path, ids: dict[int, int]) -> NDArray[np.uint8]:
    raw = read_index_mask(path)
    lookup = np.full(256, -1, np.int16)
    lookup[list(ids)] = list(ids.values())
    found = lookup[raw]
    if (found < 0).any():
        raise DataError(f"{path} holds the value {int(raw[found < 0][0])}, which has no class.")
    return found.astype(np.uint8)


def read_binary(options: ImportOptions) -> Source:
    """Read black and white masks in a folder for each class: `masks/road/photo.png` for `images/photo.jpg`.

    The folders may also lie in the source itself, as `--format binary` writes them.

    Raises:
        DataError: there is no such folder.
    """
    has_masks = any((options.source / name).is_dir() for name in _MASK_FOLDERS)
    root = _folder(options.source, _MASK_FOLDERS) if has_masks else options.source
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    if not folders:
        raise DataError(f"{root} holds no folder; black and white masks lie in a folder for each class.")
    source = Source(options.source.name, tuple(folder.name for folder in folders), ())
    finder = Pictures(options.images, *(options.source / name for name in _IMAGE_FOLDERS[:-1]))
    by_name: dict[str, list[tuple[str, Path]]] = {}
    for folder in folders:
        for mask in _masks(folder):
            name = mask.relative_to(folder).with_suffix("").as_posix()
            by_name.setdefault(name, []).append((folder.name, mask))
    source.pictures = [Labelled(finder.find(name), _white(masks)) for name, masks in sorted(by_name.items())]
    return source


def _white(masks: list[tuple[str, Path]]) -> tuple[Area, ...]:
    return tuple(Area(name, bits=read_index_mask(path) > 0) for name, path in masks)


class _Polygon(BaseModel):
    label: str
    polygon: list[tuple[float, float]]
    deleted: bool = False


class _Frame(BaseModel):
    height: int = Field(alias="imgHeight", gt=0, le=2**15)
    width: int = Field(alias="imgWidth", gt=0, le=2**15)
    objects: list[_Polygon]


def read_cityscapes(options: ImportOptions) -> Source:
    """Read polygons of Cityscapes' kind (`…_polygons.json`); groups count as their class, void labels are ignored.

    Raises:
        DataError: there is none, or one is something else.
    """
    files = sorted(options.source.rglob("*_polygons.json"))
    if not files:
        raise DataError(f"{options.source} holds no file called …_polygons.json.")
    source = Source(options.source.name, (), (), unlabelled="", ignored=tuple(_VOID))
    finder = Pictures(options.images, options.source / "leftImg8bit", options.source)
    source.pictures = list(_frames(files, finder))
    return source


def _frames(files: list[Path], finder: Pictures) -> Iterator[Labelled]:
    for path in files:
        frame: _Frame = read_json(path, _Frame, "a file of Cityscapes' polygons")
        areas = tuple(
            Area(each.label.removesuffix(_GROUP), (polygon(np.array(each.polygon, np.float64).ravel()),))
            for each in frame.objects
            if not each.deleted and len(each.polygon) > 2
        )
        stem = path.name.removesuffix("_polygons.json").removesuffix("_gtFine").removesuffix("_gtCoarse")
        split = next((part for part in reversed(path.parts) if part in {"train", "val", "test"}), "")
        image = next((each for name in (f"{stem}_leftImg8bit", stem) if (each := _found(finder, name))), None)
        if image is None:
            raise DataError(f"{path} has no picture {stem}; say where it lies with --images.")
        yield Labelled(image, areas, (frame.height, frame.width), split=split)


def _found(finder: Pictures, name: str) -> Path | None:
    try:
        return finder.find(name)
    except DataError:
        return None


def _folder(root: Path, names: tuple[str, ...]) -> Path:
    found = next((root / name for name in names if (root / name).is_dir()), None)
    if found is None:
        raise DataError(f"{root} has no folder of masks; looked for {', '.join(names)}.")
    return found


def _masks(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("[!.]*") if is_picture(path.name))


def _splits(folder: Path) -> dict[str, str]:
    """Names of pictures by the lists of VOC's layout; `default.txt`, as CVAT writes it, says nothing."""
    found: dict[str, str] = {}
    for name in ("train", "val", "test"):
        path = folder / f"{name}.txt"
        if path.is_file():
            found.update(
                dict.fromkeys((line.strip().rpartition("/")[2] for line in read_text(path).splitlines()), name)
            )
    return found
