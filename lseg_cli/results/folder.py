"""The output folder of a run: masks and what was asked for beside them, and records of all that happened."""

import errno
import json
import os
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.finding import JOURNAL
from lseg_cli.data.images import pixels_of
from lseg_cli.data.labels import IGNORE_8_BIT, LabelSet
from lseg_cli.drawing.overlay import draw_overlay
from lseg_cli.drawing.palette import colors, png_palette
from lseg_cli.drawing.png import write_png
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic, told
from lseg_cli.inference.embedding import Embedding, write_tensor
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.segmentation import Segmentation
from lseg_cli.inference.winner import Index
from lseg_cli.results.formats import (
    check_formats,
    probabilities,
    write_best,
    write_npy,
    write_panoptic,
    write_rle,
    write_segments,
)
from lseg_cli.results.kinds import EXTRAS, FORMATS
from lseg_cli.results.records import Done, Failed

FAILURES = "failures.jsonl"
LABELS = "labels.json"
_PLACES = {  # of what lies beside the masks: folder and extension
    "overlay": ("overlays", "jpg"),
    "conf": ("conf", "png"),
    "probs": ("probs", "npy"),
    "embeddings": ("embeddings", "safetensors"),
    "top-k": ("topk", "npz"),
    "npy": ("npy", "npy"),
    "coco-rle": ("coco-rle", "json"),
    "coco-panoptic": ("coco-panoptic", "png"),
    "coco-panoptic-segments": ("coco-panoptic", "json"),
}

Ids = NDArray[np.uint8] | NDArray[np.uint16]


class OutputFolder:
    """Writes whole files or none, and a line of the journals for each picture."""

    def __init__(
        self,
        folder: Path,
        labels: LabelSet,
        save: Collection[str] = (),
        shard: str = "",
        formats: Collection[str] = ("png",),
        has_colors: bool = True,
    ) -> None:
        """Names the folder; nothing is written yet.

        Args:
            folder: need not exist.
            labels: those of the masks.
            save: which of `EXTRAS` to write beside the masks.
            shard: '' or such as '2-of-4': the share whose journals are written.
            formats: of the masks, which of `FORMATS`; png is always written.
            has_colors: masks with a palette; else plain grey.

        Raises:
            LsegError: something else in `save` or `formats`.
            MissingError: a format whose package is not here.
        """
        for option, kinds, known in (("--save", set(save) - {"top-k"}, EXTRAS), ("--format", formats, FORMATS)):
            unknown = sorted(set(kinds) - set(known))
            if unknown:
                raise LsegError(f"{option} {unknown[0]} is not known; choose from {', '.join(known)}.")
        check_formats(formats)
        self.folder = folder
        self.shard = shard
        self.needs_picture = "overlay" in save
        self.needs_features = "embeddings" in save
        self._labels = labels
        self._colors = colors(labels)
        self._kinds = frozenset(save) | (set(formats) & set(_PLACES))
        if "coco-panoptic" in formats:
            self._kinds |= {"coco-panoptic-segments"}
        is_8_bit = labels.ignore_id == IGNORE_8_BIT
        self._ids = np.array(labels.ids, np.uint8 if is_8_bit else np.uint16)
        self._are_positions = bool((self._ids == np.arange(len(self._ids))).all())
        self._palette = png_palette(labels) if is_8_bit and has_colors else None

    def check(self, overwrite: bool) -> None:
        """Before anything costly: whether a run may write here.

        Raises:
            LsegError: the folder is a file, or holds the results of an earlier run and `overwrite` is not set.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise LsegError(f"{self.folder} is a file; choose another folder with -o.")
        if (self.folder / JOURNAL).exists() and not overwrite:
            raise LsegError(f"{self.folder} holds the results of an earlier run; use --overwrite, or another -o.")

    def make(self) -> None:
        """Makes the folder.

        Raises:
            LsegError: it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LsegError(f"{self.folder} cannot be written ({error.strerror}); choose another -o.") from error

    def begin(self, vocabulary: dict[str, Any], is_new: bool = True) -> None:
        """Makes the folder with its journals and labels.json, to which `vocabulary` adds encoder and templates.

        Args:
            vocabulary: more for labels.json.
            is_new: nothing of an earlier run counts: all journals are empty. Else failures alone are forgotten, for
                those pictures are tried again.

        Raises:
            LsegError: it cannot be written.
        """
        self.make()
        try:
            for name in {JOURNAL, self.named(JOURNAL)}:
                if is_new or not (self.folder / name).exists():
                    (self.folder / name).write_bytes(b"")
            (self.folder / self.named(FAILURES)).write_bytes(b"")
        except OSError as error:
            raise LsegError(f"{self.folder} cannot be written ({error.strerror}); choose another -o.") from error
        labels = [
            {"id": label.id, "name": label.name, "prompts": label.prompts, "color": color}
            for label, color in zip(self._labels.labels, self._colors, strict=True)
        ]
        self.write_json(LABELS, {"labels": labels, "ignore_id": self._labels.ignore_id, **vocabulary})

    def named(self, name: str) -> str:
        """The name that a file has for this share: `results.jsonl` -> `results-2-of-4.jsonl`."""
        stem, _, suffix = name.partition(".")
        return f"{stem}-{self.shard}.{suffix}" if self.shard else name

    def named_colors(self) -> list[tuple[str, tuple[int, int, int]]]:
        """Names and colours of the labels, in order."""
        return list(zip(self._labels.names, self._colors, strict=True))

    def ids(self, index: Index, unsure: NDArray[np.bool_] | None = None) -> Ids:
        """(H, W) positions in the label set -> (H, W) ids, with the ignore id where `unsure` holds."""
        # Where ids are positions, as without ids of one's own, they are the same array.
        is_same = self._are_positions and index.dtype == self._ids.dtype and unsure is None
        ids: Ids = index if is_same else np.take(self._ids, index)
        if unsure is not None:
            ids[unsure] = self._labels.ignore_id
        return ids

    def shares(self, ids: Ids) -> tuple[dict[str, float], float]:
        """(H, W) ids -> the share of each label in the picture, by name, and that of ignored pixels."""
        counts = np.zeros(self._labels.ignore_id + 1)
        for part in np.array_split(ids.ravel(), -(-ids.size // 2**20)):
            # Runs are counted, not pixels: a seventh of the time of a histogram.
            starts = np.concatenate([[0], np.flatnonzero(part[1:] != part[:-1]) + 1])
            counts += np.bincount(part[starts], np.diff(starts, append=len(part)), len(counts))
        share = (counts / ids.size).round(6).tolist()
        return {label.name: share[label.id] for label in self._labels.labels}, share[self._labels.ignore_id]

    def categories(self) -> list[dict[str, Any]]:
        """The labels as COCO's files have them."""
        pairs = zip(self._labels.labels, self._colors, strict=True)
        return [{"id": label.id, "name": label.name, "color": color, "isthing": 0} for label, color in pairs]

    def beside(self, name: str) -> dict[str, str]:
        """Files that a picture gets beside its mask, by kind."""
        places = {kind: _PLACES[kind] for kind in sorted(self._kinds)}
        return {kind: f"{folder}/{name}.{extension}" for kind, (folder, extension) in places.items()}

    def write_picture(
        self, name: str, picture: Image.Image | None, ids: Ids, confidence: NDArray[np.float32] | None
    ) -> str:
        """Writes the mask, and what was asked for beside it.

        Args:
            name: below each of the folders, without extension.
            picture: in RGB, where 'overlay' was asked for.
            ids: (H, W).
            confidence: (H, W), where 'conf' was asked for.

        Returns:
            The mask's path below the output folder.

        Raises:
            DataError: a file cannot be written.
            MissingError: the disk is full or read-only.
        """
        mask = mask_path(name)
        with atomic(self.folder / mask, self.shard) as path:
            write_png(path, ids, self._palette)
        places = self.beside(name)
        if "conf" in self._kinds and confidence is not None:
            with atomic(self.folder / places["conf"], self.shard) as path:
                write_png(path, np.rint(confidence * 255).astype(np.uint8))
        if "overlay" in self._kinds and picture is not None:
            overlay = draw_overlay(pixels_of(picture), ids, self._labels, self._colors)
            with atomic(self.folder / places["overlay"], self.shard) as path:
                overlay.save(path, "JPEG", quality=90)
        return mask

    def write_more(
        self, name: str, ids: Ids, result: Segmentation, scores: Floats | None, embedding: Embedding | None
    ) -> None:
        """Writes the other formats that were asked for; raises as `write_picture`.

        Args:
            name: as there.
            ids: (H, W).
            result: of which the best labels and their probabilities are taken.
            scores: of the network, which the probabilities of all labels are made of.
            embedding: of the picture, where 'embeddings' was asked for.
        """
        places = self.beside(name)
        writers: dict[str, Callable[[Path], None]] = {
            "npy": lambda path: write_npy(path, ids),
            "coco-rle": lambda path: write_rle(path, ids, self._labels),
            "coco-panoptic": lambda path: write_panoptic(path, ids, self._labels),
            "coco-panoptic-segments": lambda path: write_segments(path, ids, self._labels),
            "top-k": lambda path: write_best(path, np.take(self._ids, result.best), result.probability),
        }
        if scores is not None:
            writers["probs"] = lambda path: write_npy(path, probabilities(scores))
        if embedding is not None:
            writers["embeddings"] = lambda path: write_tensor(path, embedding)
        for kind in writers.keys() & places.keys():
            with atomic(self.folder / places[kind], self.shard) as path:
                writers[kind](path)

    def record(self, result: Done | Failed) -> None:
        """Adds a line to its journal.

        Raises:
            LsegError: the disk is full.
        """
        path = self.folder / self.named(JOURNAL if isinstance(result, Done) else FAILURES)
        # A name that is no UTF-8 holds lone surrogates; as \\udcff they are JSON and read back the same.
        line = json.dumps(asdict(result), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        with told(path):
            append(path, line)

    def write_json(self, name: str, data: dict[str, Any]) -> None:
        """Writes a file of the folder.

        Raises:
            LsegError: it cannot be written.
        """
        text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        with atomic(self.folder / name) as path:
            path.write_bytes(text.encode("utf-8", "backslashreplace"))


def append(path: Path, line: bytes) -> None:
    """Adds to a file; the system has it when this returns, so `kill -9` loses nothing."""
    with path.open("ab", buffering=0) as file:
        if file.write(line) < len(line):  # a disk takes what still fits
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def mask_path(name: str) -> str:
    """Below the output folder, of a picture's name in the output."""
    return f"masks/{name}.png"
