"""The files of a report: `report.json`, and of each model the IoU by class and the confusion matrix, to look at too."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lseg_cli.drawing.fonts import drawn
from lseg_cli.drawing.picture_file import write_picture
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic
from lseg_cli.results.formats import shown_as_text

CELL_PX = 24  # of the picture: wide enough for 100
_FONT_PX, _GAP_PX = 12, 6
_LEAST_SHARE = 0.005  # a cell below says 0, and is left empty


def write_report(report: dict[str, Any], folder: Path) -> None:
    """Writes them, each whole or not at all; those of a second model have the number 2 in their names.

    Raises:
        LsegError: the folder is a file, or the disk is full.
        DataError: they cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise LsegError(f"{folder} is a file; choose another folder with -o.")
    with atomic(folder / "report.json") as draft:
        draft.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for number, result in enumerate(report["results"], 1):
        mark = "" if number == 1 else f"-{number}"
        with atomic(folder / f"classes{mark}.csv") as draft:
            _write_rows(draft, [["class", "iou"], *([name, _cell(iou)] for name, iou in result["class_iou"].items())])
        if (confusion := result.get("confusion")) is not None:
            write_confusion(**confusion, folder=folder, mark=mark)


def write_confusion(
    classes: Sequence[str], predicted: Sequence[str], pixels: Sequence[Sequence[int]], folder: Path, mark: str = ""
) -> None:
    """Write a confusion matrix as `confusion.csv` and `confusion.png`; raises as `lseg_cli.files.atomic`.

    Args:
        classes: of the rows.
        predicted: of the columns.
        pixels: by row.
        folder: to write to.
        mark: goes behind the files' names.
    """
    rows = [[name, *line] for name, line in zip(classes, pixels, strict=True)]
    with atomic(folder / f"confusion{mark}.csv") as draft:
        _write_rows(draft, [["class", *predicted], *rows])
    with atomic(folder / f"confusion{mark}.png") as draft:
        write_picture(draft, draw_confusion(classes, predicted, pixels), "PNG")


def draw_confusion(classes: Sequence[str], predicted: Sequence[str], pixels: Sequence[Sequence[int]]) -> Image.Image:
    """A confusion matrix to look at: each row is a class, and the darker a cell, the more of its pixels lie there.

    Args:
        classes: of the rows.
        predicted: of the columns.
        pixels: by row.
    """
    counts = np.array(pixels, np.float64)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    font = ImageFont.load_default(_FONT_PX)
    rows = [drawn(name, f"class {row}", _FONT_PX) for row, name in enumerate(classes)]
    columns = [drawn(name, f"label {column}", _FONT_PX) for column, name in enumerate(predicted)]
    margin = round(max(each.getlength(name) for name, each in (*rows, *columns))) + 2 * _GAP_PX
    size = margin + CELL_PX * len(predicted), margin + CELL_PX * len(classes)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for column, (name, own) in enumerate(columns):
        upright = Image.new("L", (margin, CELL_PX))
        ImageDraw.Draw(upright).text((_GAP_PX, CELL_PX / 2), name, 255, own, "lm")
        picture.paste("black", (margin + column * CELL_PX, 0), upright.rotate(90, expand=True))
    for row, (name, own) in enumerate(rows):
        top = margin + row * CELL_PX
        draw.text((margin - _GAP_PX, top + CELL_PX / 2), name, "black", own, "rm")
        for column, share in enumerate(shares[row]):
            left = margin + column * CELL_PX
            shade = round(255 * (1 - share))
            draw.rectangle((left, top, left + CELL_PX - 1, top + CELL_PX - 1), (shade, shade, 255), (220, 220, 220))
            if share >= _LEAST_SHARE:
                ink = "white" if share > 0.5 else "black"
                draw.text((left + CELL_PX / 2, top + CELL_PX / 2), f"{100 * share:.0f}", ink, font, "mm")
    return picture


def _write_rows(path: Path, rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for row in rows:
            writer.writerow([shown_as_text(each) if isinstance(each, str) else each for each in row])


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
