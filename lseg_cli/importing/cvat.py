"""CVAT for images 1.1: one XML file; polygons, boxes, ellipses and brush masks, ordered by `z_order`.

Facts: docs.cvat.ai, "CVAT for images"; runs of a mask are row by row within its box, the first of empty pixels.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from lseg_cli.errors import DataError
from lseg_cli.importing.areas import Area, ellipse, polygon, rectangle, unpack_runs
from lseg_cli.importing.labelled import Labelled, Source, split_name
from lseg_cli.importing.options import ImportOptions
from lseg_cli.importing.reading import Pictures, in_file, read_bytes

_SIDES = ("xtl", "ytl", "xbr", "ybr")


def read(options: ImportOptions) -> Source:
    """Read `annotations.xml`, or the folder that holds it.

    Raises:
        DataError: it is not CVAT's XML.
    """
    path = options.source / "annotations.xml" if options.source.is_dir() else options.source
    try:
        root = ElementTree.fromstring(read_bytes(path))
    except ElementTree.ParseError as error:
        raise DataError(f"{path} is not an XML file: {error}.") from error
    if root.tag != "annotations":
        raise DataError(f"{path} is not CVAT's XML for images: its root is <{root.tag}>, not <annotations>.")
    labels = [each.text.strip() for each in root.iterfind("./meta//labels/label/name") if each.text]
    source = Source(path.parent.name or "cvat", tuple(dict.fromkeys(labels)), ())
    source.pictures = list(_labelled(path, root, Pictures(options.images, path.parent / "images", path.parent), source))
    return source


def _labelled(path: Path, root: ElementTree.Element, pictures: Pictures, source: Source) -> Iterator[Labelled]:
    for image in root.iterfind("image"):
        with in_file(path):
            shapes = sorted(image, key=lambda shape: int(shape.get("z_order", "0")))
            size = int(image.attrib["height"]), int(image.attrib["width"])
        areas = source.areas(path, shapes, _area, lambda shape: f"Shapes <{shape.tag}>, which have no area")
        split = split_name(image.get("subset", ""))
        yield Labelled(pictures.find(image.get("name", "")), areas, size, split=split)


def _area(shape: ElementTree.Element) -> Area | None:
    get, label = shape.attrib, shape.get("label")
    if not label:
        return None
    if shape.tag == "polygon":
        return Area(label, (polygon(float(each) for pair in get["points"].split(";") for each in pair.split(",")),))
    if shape.tag == "box":
        left, top, right, bottom = (float(get[side]) for side in _SIDES)
        return Area(label, (rectangle(left, top, right, bottom),))
    if shape.tag == "ellipse":
        return Area(label, (ellipse(*(float(get[key]) for key in ("cx", "cy", "rx", "ry"))),))
    if shape.tag == "mask":
        runs = [int(each) for each in get["rle"].split(",")]
        bits = unpack_runs(runs, int(get["height"]), int(get["width"]))
        return Area(label, bits=bits, corner=(int(get["left"]), int(get["top"])))
    return None
