"""The mask of a picture, and what was asked for beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.images import pixels_of
from lseg_cli.data.labels import IGNORE_8_BIT, LabelSet
from lseg_cli.drawing.cutout import cut_out
from lseg_cli.drawing.palette import colors, png_palette
from lseg_cli.drawing.picture_file import write_picture
from lseg_cli.drawing.png import write_png
from lseg_cli.errors import DataError
from lseg_cli.inference.embedding import Embedding, write_tensor
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.segmentation import Segmentation
from lseg_cli.results.cvat import write_cvat_image
from lseg_cli.results.folder import OutputFolder, Written, file_name
from lseg_cli.results.formats import (
    first_category,
    probabilities,
    write_best,
    write_npy,
    write_panoptic,
    write_rle,
    write_segments,
)
from lseg_cli.results.kinds import is_binary
from lseg_cli.results.mask_style import MaskStyle
from lseg_cli.results.outlines import write_geojson, write_labelme, write_yolo
from lseg_cli.results.polygons import write_polygons
from lseg_cli.results.records import Done, Item, Stamp

Ids = NDArray[np.uint8] | NDArray[np.uint16]
Writers = dict[str, Callable[[Path], None]]

# They say what the mask says, and so do those of one label.
_OF_MASK = frozenset(
    (
        "overlay", "npy", "coco-rle", "coco-polygons", "coco-panoptic", "coco-panoptic-segments", "geojson", "labelme",
        "cvat", "yolo",
    )
)  # fmt: skip
_OF_PICTURE = frozenset(("overlay", "cutout"))  # they show it


@dataclass(frozen=True)
class WrittenMask:
    """A picture's files, and what its mask says.

    Attributes:
        item: the picture.
        written: its files.
        share: of each label in the picture, by name.
        ignored: share of pixels without a label.
        mean_confidence: over the network's own scores.
    """

    item: Item
    written: Written
    share: dict[str, float]
    ignored: float
    mean_confidence: float

    def as_done(self, size: tuple[int, int], stamp: Stamp, ms: dict[str, float]) -> Done:
        """The picture's line; of (H, W) pixels, its file as it was when it was read."""
        return Done(
            source=str(self.item.source.path),
            mask=file_name("mask", self.item.name),
            height_px=size[0],
            width_px=size[1],
            share=self.share,
            ignored=self.ignored,
            mean_confidence=round(self.mean_confidence, 6),
            ms=ms,
            file=stamp,
            files=self.written.beside("mask"),
            sizes=self.written.sizes,
            time_s=self.item.time_s,
        )


class MaskWriter:
    """Turns segmentations into the files of an output folder."""

    def __init__(self, output: OutputFolder, labels: LabelSet, style: MaskStyle) -> None:
        """Binds an output folder; nothing is written yet.

        Args:
            output: to write to.
            labels: those of the masks.
            style: what is written.
        """
        self.kinds = style.kinds
        self._output = output
        self._labels = labels
        self._style = style
        self._colors = colors(labels)
        self._is_wanted = np.array([label.name in style.cutout for label in labels.labels])
        is_8_bit = labels.ignore_id == IGNORE_8_BIT
        self._ids = np.array(labels.ids, np.uint8 if is_8_bit else np.uint16)
        self._are_positions = bool((self._ids == np.arange(len(self._ids))).all())
        self._palette = png_palette(labels) if is_8_bit and style.has_colors else None

    def write(
        self,
        item: Item,
        picture: Image.Image | None,
        result: Segmentation,
        scores: Floats | None = None,
        embedding: Embedding | None = None,
    ) -> WrittenMask:
        """Writes the files of a picture.

        Args:
            item: the picture; it may get only some of the files.
            picture: in RGB, where `needs_picture`.
            result: of which ids, the best labels and their probabilities are taken.
            scores: of the network, which the probabilities of all labels are made of.
            embedding: of the picture, where 'embeddings' was asked for.

        Raises:
            DataError: a file cannot be written.
            MissingError: the disk is full or read-only.
        """
        ids = self.ids(result)
        writers = self._of_mask(item, ids, picture) | {
            "mask": lambda path: write_png(path, ids, self._palette),
            "top-k": lambda path: write_best(path, *self._best(result)),
        }
        confidence = shown_confidence(result)
        if confidence is not None:
            writers["conf"] = lambda path: write_png(path, np.rint(confidence * 255).astype(np.uint8))
        if picture is not None and result.probability is not None:
            writers["cutout"] = lambda path: self._write_cutout(path, picture, ids, result)
        if scores is not None:
            writers["probs"] = lambda path: write_npy(path, probabilities(scores))
        if embedding is not None:
            writers["embeddings"] = lambda path: write_tensor(path, embedding)
        return self._write(item, writers, ids, result.mean_confidence)

    def kinds_of(self, item: Item) -> frozenset[str]:
        """The files that a picture is to get."""
        return self.kinds if item.kinds is None else item.kinds

    def needs_picture(self, item: Item) -> bool:
        """Return whether some of a picture's files show the picture itself."""
        return bool(self.kinds_of(item) & _OF_PICTURE)

    def can_redraw(self, item: Item) -> bool:
        """Return whether all that a picture lacks can be made of the mask that is there."""
        return item.kinds is not None and all(kind in _OF_MASK or is_binary(kind) for kind in item.kinds)

    def redraw(self, item: Item, picture: Image.Image | None) -> WrittenMask:
        """Writes files of a picture that say what the mask says that is there already.

        Args:
            item: the picture, which names these files.
            picture: in RGB, where 'overlay' was asked for.

        Raises:
            DataError: the mask cannot be read or is not of this picture, or a file cannot be written.
            MissingError: the disk is full or read-only.
        """
        path = self._output.folder / file_name("mask", item.name)
        try:
            with Image.open(path, formats=("PNG",)) as mask:
                ids = np.asarray(mask).astype(self._ids.dtype)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read; delete it, and run the same command again.") from error
        if picture is not None and ids.shape != (picture.height, picture.width):
            raise DataError(f"{path} has another size than its picture; delete it, and run the same command again.")
        return self._write(item, self._of_mask(item, ids, picture), ids, 0.0)

    def _of_mask(self, item: Item, ids: Ids, picture: Image.Image | None) -> Writers:
        """Return the writers of files that are made of the mask alone."""
        writers: Writers = {
            "npy": lambda path: write_npy(path, ids),
            "coco-rle": lambda path: write_rle(path, ids, self._labels),
            "coco-polygons": lambda path: write_polygons(path, ids, self._labels),
            "coco-panoptic": lambda path: write_panoptic(path, ids, self._labels),
            "coco-panoptic-segments": lambda path: write_segments(path, ids, self._labels),
            "geojson": lambda path: write_geojson(path, ids, self._labels),
            "labelme": lambda path: write_labelme(path, ids, self._labels, item.source.path),
            "cvat": lambda path: write_cvat_image(path, ids, self._labels),
            "yolo": lambda path: write_yolo(path, ids, self._labels),
        }
        for kind, label_id in zip(self._style.binary, self._labels.ids, strict=bool(self._style.binary)):
            writers[kind] = partial(_write_binary, ids=ids, label_id=label_id)
        if picture is not None:
            writers["overlay"] = lambda path: self._write_overlay(path, picture, ids, item.time_s is not None)
        return writers

    def _write(self, item: Item, writers: Writers, ids: Ids, mean_confidence: float) -> WrittenMask:
        kinds = self.kinds_of(item)
        written = self._output.write(item.name, {kind: write for kind, write in writers.items() if kind in kinds})
        return WrittenMask(item, written, *self._shares(ids), mean_confidence)

    def ids(self, result: Segmentation) -> Ids:
        """(H, W) ids of the labels, with the ignore id where the network is not sure or there is no data."""
        index, unsure = result.index, self._unsure(result)
        if result.valid is not None:
            unsure = ~result.valid if unsure is None else unsure | ~result.valid
        # Where ids are positions, as without ids of one's own, they are the same array.
        is_same = self._are_positions and index.dtype == self._ids.dtype and unsure is None
        ids: Ids = index if is_same else np.take(self._ids, index)
        if unsure is not None:
            ids[unsure] = self._labels.ignore_id
        return ids

    def _best(self, result: Segmentation) -> tuple[Ids, Floats | None]:
        """(K, H, W) ids of the best labels and their probabilities; where there is no data, neither."""
        best, probability = np.take(self._ids, result.best), result.probability
        if result.valid is not None:
            best[:, ~result.valid] = self._labels.ignore_id
            probability = None if probability is None else np.where(result.valid, probability, np.float32(0))
        return best, probability

    def _unsure(self, result: Segmentation) -> NDArray[np.bool_] | None:
        style = self._style
        if result.probability is None or not (style.min_confidence or style.min_margin):
            return None
        first = result.probability[0]
        unsure: NDArray[np.bool_] = first < style.min_confidence
        if style.min_margin and len(result.probability) > 1:
            unsure |= first - result.probability[1] < style.min_margin
        return unsure

    def _write_overlay(self, path: Path, picture: Image.Image, ids: Ids, is_frame: bool) -> None:
        from lseg_cli.drawing.overlay import draw_overlay  # noqa: PLC0415  fonts, for who asks for it

        overlay = draw_overlay(pixels_of(picture), ids, self._labels, self._colors, has_all_labels=is_frame)
        write_picture(path, overlay, "JPEG")

    def _write_cutout(self, path: Path, picture: Image.Image, ids: Ids, result: Segmentation) -> None:
        if result.probability is None:
            raise ValueError("A cut-out needs probabilities.")
        is_inside = np.isin(ids, self._ids[self._is_wanted])
        write_png(path, cut_out(pixels_of(picture), is_inside, result.best, result.probability, self._is_wanted))

    def _shares(self, ids: Ids) -> tuple[dict[str, float], float]:
        """(H, W) ids -> the share of each label in the picture, by name, and that of ignored pixels."""
        counts = np.zeros(self._labels.ignore_id + 1)
        for part in np.array_split(ids.ravel(), -(-ids.size // 2**20)):
            # Runs are counted, not pixels: a seventh of the time of a histogram.
            starts = np.concatenate([[0], np.flatnonzero(part[1:] != part[:-1]) + 1])
            counts += np.bincount(part[starts], np.diff(starts, append=len(part)), len(counts))
        share = (counts / ids.size).round(6).tolist()
        return {label.name: share[label.id] for label in self._labels.labels}, share[self._labels.ignore_id]


def shown_confidence(result: Segmentation) -> Floats | None:
    """(H, W), 0 where there is no data; None where it was not asked for."""
    confidence = result.confidence
    if confidence is None or result.valid is None:
        return confidence
    return np.where(result.valid, confidence, np.float32(0))


def _write_binary(path: Path, ids: Ids, label_id: int) -> None:
    """Write 255 where the label is, else 0."""
    write_png(path, np.where(ids == label_id, np.uint8(255), np.uint8(0)))


def describe_labels(labels: LabelSet) -> dict[str, Any]:
    """Return labels.json's description of the labels: their ids in masks, and in files for COCO's tools."""
    first = first_category(labels)
    entries = [
        {"id": label.id, "coco_id": label.id + first, "name": label.name, "prompts": label.prompts, "color": color}
        for label, color in zip(labels.labels, colors(labels), strict=True)
    ]
    return {"labels": entries, "ignore_id": labels.ignore_id}


def named_colors(labels: LabelSet) -> list[tuple[str, tuple[int, int, int]]]:
    """Names and colours of the labels, in order."""
    return list(zip(labels.names, colors(labels), strict=True))
