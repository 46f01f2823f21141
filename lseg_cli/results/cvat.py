"""CVAT's XML for images 1.1, to be corrected there by hand: a brush mask for each connected part of each label.

Masks and not polygons, for these have no holes and are right to the pixel. Facts: docs.cvat.ai, "CVAT for images"; runs
are row by row within the box, the first of pixels that are not covered.
"""

from collections.abc import Iterable
from html import escape  # xml.sax.saxutils would bring http and ssl into every run
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np

from lseg_cli.data.labels import LabelSet
from lseg_cli.drawing.palette import colors
from lseg_cli.errors import DataError
from lseg_cli.results.formats import Ids, Line
from lseg_cli.results.polygons import Bits, connected_parts


def write_cvat_image(path: Path, ids: Ids, labels: LabelSet) -> None:
    """Write the element of one picture; its name and number come when all are put together."""
    height, width = ids.shape
    image = ElementTree.Element("image", {"width": str(width), "height": str(height)})
    for position, bits, (left, top) in connected_parts(ids, labels):
        box = {"left": left, "top": top, "width": bits.shape[1], "height": bits.shape[0], "z_order": 0}
        facts = {"label": plain(labels.names[position]), "source": "semi-auto", "occluded": "0", "rle": _runs(bits)}
        ElementTree.SubElement(image, "mask", facts | {key: str(value) for key, value in box.items()})
    ElementTree.ElementTree(image).write(path, "utf-8")


def write_cvat(path: Path, folder: Path, lines: Iterable[Line], labels: LabelSet) -> int:
    """Write one file for the folder, a picture at a time; how many pictures lack their part of it.

    Args:
        path: to write to.
        folder: of the output.
        lines: of the journal, as often as they are iterated.
        labels: of the masks.

    Raises:
        DataError: the part of a picture cannot be read.
    """
    left_out = number = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        file.write("<meta><task><mode>annotation</mode><labels>\n")
        for name, (red, green, blue) in zip(labels.names, colors(labels), strict=True):
            color = f"<color>#{red:02x}{green:02x}{blue:02x}</color><type>any</type><attributes></attributes>"
            file.write(f"<label><name>{escape(plain(name), quote=False)}</name>{color}</label>\n")
        file.write("</labels></task></meta>\n")
        for line in lines:
            if "cvat" not in line["files"]:
                left_out += 1
                continue
            image = _read(folder / line["files"]["cvat"])
            image.set("id", str(number))
            image.set("name", plain(picture_name(line)))
            file.write(ElementTree.tostring(image, "unicode") + "\n")
            number += 1
        file.write("</annotations>\n")
    return left_out


def picture_name(line: dict[str, Any]) -> str:
    """The path of a picture below the folder that was segmented, with its ending: how tools find it in an upload."""
    inside = PurePosixPath(*PurePosixPath(line["mask"]).parts[1:])
    source = str(line["source"]).partition("?")[0].replace("\\", "/")
    return str(inside.with_name(source.rpartition("/")[2] or inside.name))


def plain(text: str) -> str:
    """A text without characters that XML cannot hold."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _runs(bits: Bits) -> str:
    flat = bits.ravel()
    borders = np.flatnonzero(np.diff(flat, prepend=0))
    lengths = np.diff(borders, prepend=0, append=len(flat))
    return ", ".join(map(str, lengths.tolist()))


def _read(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(path.read_bytes())
    except (OSError, ElementTree.ParseError) as error:
        raise DataError(f"{path} cannot be read, or is damaged; delete it, and run the same command again.") from error
