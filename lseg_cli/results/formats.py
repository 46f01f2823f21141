"""Masks in other formats than PNG: arrays, COCO's run lengths and panoptic pictures, and tables of a whole folder."""

import csv
import importlib
import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.labels import LabelSet
from lseg_cli.drawing.palette import colors
from lseg_cli.drawing.png import write_png
from lseg_cli.errors import DataError, MissingError

Ids = NDArray[np.uint8] | NDArray[np.uint16]
Line = dict[str, Any]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what spreadsheets take for one when a cell begins with it


def check_formats(formats: Collection[str]) -> None:
    """Check that the packages of the formats are installed.

    Raises:
        MissingError: pycocotools is not.
    """
    if "coco-rle" in formats:
        try:
            importlib.import_module("pycocotools.mask")
        except ImportError as error:
            raise MissingError("--format coco-rle needs pycocotools: pip install 'lseg-cli[coco]'.") from error


class _Stream:
    """A file of which NumPy knows no descriptor, so that it does not write around Python, which reports a full disk."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def write_npy(path: Path, array: NDArray[np.generic]) -> None:
    """An array as it is."""
    with path.open("wb") as file:
        np.save(_Stream(file), array)


def write_best(path: Path, ids: Ids, probability: NDArray[np.float32] | None) -> None:
    """(K, H, W) ids of the best labels and their probabilities (float16), best first, as `.npz`."""
    arrays = {"ids": ids} if probability is None else {"ids": ids, "probability": probability.astype(np.float16)}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def probabilities(scores: NDArray[np.float32]) -> NDArray[np.float16]:
    """(N, h, w) logits -> their softmax, float16."""
    half = np.empty(scores.shape, np.float16)
    for row in range(scores.shape[1]):  # at once, a thousand labels would be in memory three times
        part = np.exp(scores[:, row] - scores[:, row].max(0))
        half[:, row] = part / part.sum(0)
    return half


def first_category(labels: LabelSet) -> int:
    """Return the number added to labels' ids in COCO's files, whose tools take category 0 for no label."""
    return int(0 in labels.ids)


def write_rle(path: Path, ids: Ids, labels: LabelSet) -> None:
    """A list of annotations, one for each label in the picture, with COCO's compressed run lengths."""
    path.write_text(json.dumps(coco_annotations(ids, labels)), "utf-8")


def coco_annotations(ids: Ids, labels: LabelSet) -> list[dict[str, Any]]:
    """Category, area, bounding box and compressed run lengths of each label in a picture of (H, W) ids.

    Raises:
        MissingError: pycocotools is not installed.
    """
    check_formats(("coco-rle",))
    coder = importlib.import_module("pycocotools.mask")
    annotations = []
    for value, segment in _segments(ids, labels):
        code = coder.encode(np.asfortranarray(ids == value, np.uint8))
        code["counts"] = code["counts"].decode("ascii")
        annotations.append({key: segment[key] for key in ("category_id", "area", "bbox")} | {"segmentation": code})
    return annotations


def write_panoptic(path: Path, ids: Ids, labels: LabelSet) -> None:
    """An RGB PNG of segment ids, R + 256 G + 65536 B: those of the categories, for 0 means nothing."""
    segment = np.where(ids == labels.ignore_id, 0, ids.astype(np.uint32) + first_category(labels))
    rgb = np.stack([segment & 255, segment >> 8 & 255, segment >> 16], axis=-1).astype(np.uint8)
    write_png(path, rgb)


def write_segments(path: Path, ids: Ids, labels: LabelSet) -> None:
    """The `segments_info` of a panoptic picture."""
    segments = [{"id": segment["category_id"], **segment, "iscrowd": 0} for _, segment in _segments(ids, labels)]
    path.write_text(json.dumps(segments), "utf-8")


def _segments(ids: Ids, labels: LabelSet) -> Iterator[tuple[int, dict[str, Any]]]:
    """The id of each label in the picture; its category, area and bounding box [x, y, width, height] in pixels."""
    for value in np.unique(ids).tolist():
        if value == labels.ignore_id:
            continue
        is_here = ids == value
        rows, columns = np.flatnonzero(is_here.any(1)), np.flatnonzero(is_here.any(0))
        left, top = int(columns[0]), int(rows[0])
        box = [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]
        yield value, {"category_id": value + first_category(labels), "area": int(is_here.sum()), "bbox": box}


def shown_as_text(cell: str) -> str:
    """A cell of a CSV file as a spreadsheet shows it: what it would take for a formula begins with an apostrophe."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def write_table(path: Path, lines: Iterable[Line], labels: LabelSet) -> None:
    """A row per picture: where it is, its size, mean confidence and the share of each label."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        facts = ("source", "mask", "height_px", "width_px", "mean_confidence", "ignored")
        writer.writerow([*facts, *map(shown_as_text, labels.names)])
        for line in lines:
            cells = (line[fact] for fact in facts)
            shares = (line["share"].get(name, 0.0) for name in labels.names)
            writer.writerow([*(shown_as_text(cell) if isinstance(cell, str) else cell for cell in cells), *shares])


def write_coco(path: Path, kind: str, folder: Path, lines: Iterable[Line], labels: LabelSet) -> int:
    """One file for the folder as COCO's tools read it, a picture at a time; how many pictures lack their part of it.

    Ids of categories and annotations begin at 1, for COCO's own evaluation takes 0 for nothing.

    Args:
        path: to write to.
        kind: 'coco-rle', 'coco-polygons' or 'coco-panoptic'.
        folder: of the output.
        lines: of the journal, as often as they are iterated.
        labels: of the masks.

    Raises:
        DataError: the part of a picture cannot be read.
    """
    part = "coco-panoptic-segments" if kind == "coco-panoptic" else kind
    left_out = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"categories": {json.dumps(coco_categories(labels))},\n"images": [')
        separator = "\n"
        for image, line in enumerate(lines):
            if part not in line["files"]:
                left_out += 1
                continue
            size = {"id": image, "file_name": line["source"], "height": line["height_px"], "width": line["width_px"]}
            file.write(separator + json.dumps(size))
            separator = ",\n"
        file.write('],\n"annotations": [')
        for number, row in enumerate(_annotations(kind, part, folder, lines), 1):
            identity = {} if kind == "coco-panoptic" else {"id": number, "iscrowd": 0}
            file.write(("," if number > 1 else "") + "\n" + json.dumps({**identity, **row}))
        file.write("]}\n")
    return left_out


def _annotations(kind: str, part: str, folder: Path, lines: Iterable[Line]) -> Iterator[dict[str, Any]]:
    for image, line in enumerate(lines):
        if part not in line["files"]:
            continue
        found = _read_part(folder / line["files"][part])
        if kind == "coco-panoptic":
            name = line["files"][kind].removeprefix(f"{kind}/")
            yield {"image_id": image, "file_name": name, "segments_info": found}
        else:
            yield from ({"image_id": image, **row} for row in found)


def _read_part(path: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path} cannot be read, or is damaged; delete it, and run the same command again.") from error


def coco_categories(labels: LabelSet) -> list[dict[str, Any]]:
    """The labels as COCO's files have them, with the ids of the masks beside their own."""
    first = first_category(labels)
    pairs = zip(labels.labels, colors(labels), strict=True)
    return [
        {"id": label.id + first, "name": label.name, "color": color, "isthing": 0, "label_id": label.id}
        for label, color in pairs
    ]
