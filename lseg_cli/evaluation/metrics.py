"""Segmentation figures from one confusion matrix over a whole set."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lseg_cli.data.labels import fold

NONE = "none of them"  # the last column: pixels that got no label
BACKGROUND = frozenset({"background", "other", "others"})  # what is nothing in particular, for FB-IoU

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Shares between 0 and 1. A class that occurs neither in masks nor in predictions has no IoU and counts nowhere.

    Attributes:
        pixel_accuracy: labelled pixels that got their class.
        mean_iou: over the classes that have an IoU.
        class_iou: by class.
        pictures: how many.
        fb_iou: mean of the IoU of the background and of all other classes as one; None without a background.
        no_label: labelled pixels that got no label, for want of confidence.
        extra: labelled pixels that got a label which is not a class.
    """

    pixel_accuracy: float
    mean_iou: float
    class_iou: dict[str, float | None]
    pictures: int
    fb_iou: float | None = None
    no_label: float = 0.0
    extra: float = 0.0


class Confusion:
    """Counts of (true class, predicted label); ignored pixels are left out.

    Attributes:
        classes: by number, the rows of the matrix.
        labels: its columns: the classes, then what else can be predicted, the last of all being `NONE`.
        matrix: (classes, labels) pixels.
        pictures: how many were added.
    """

    def __init__(self, classes: tuple[str, ...], ignore: int, extra: tuple[str, ...] = ()) -> None:
        """Nothing is counted yet.

        Args:
            classes: by number.
            ignore: a number in the true masks.
            extra: labels that are not classes: whoever predicts one of them is wrong.
        """
        self.classes = classes
        self.labels = (*classes, *extra, NONE)
        self.matrix: Counts = np.zeros((len(classes), len(self.labels)), np.int64)
        self.pictures = 0
        self._ignore = ignore

    def add(self, predicted: ArrayLike, truth: ArrayLike) -> None:
        """One picture: two (H, W) of whole numbers, of labels and of classes."""
        rows, columns = np.asarray(truth).ravel(), np.asarray(predicted).ravel()
        counts = rows != self._ignore
        flat = rows[counts].astype(np.int64) * len(self.labels) + columns[counts]
        self.matrix += np.bincount(flat, minlength=self.matrix.size).reshape(self.matrix.shape)
        self.pictures += 1

    def scores(self) -> Scores:
        """The figures so far."""
        matrix, count = self.matrix, len(self.classes)
        hits = matrix.diagonal()
        union = matrix.sum(0)[:count] + matrix.sum(1) - hits
        total = max(int(matrix.sum()), 1)
        ious = [_ratio(*pair) for pair in zip(hits, union, strict=True)]
        known = [iou for iou in ious if iou is not None]
        return Scores(
            pixel_accuracy=float(hits.sum() / total),
            mean_iou=float(np.mean(known)) if known else 0.0,
            class_iou=dict(zip(self.classes, ious, strict=True)),
            pictures=self.pictures,
            fb_iou=self._foreground_background(),
            no_label=float(matrix[:, -1].sum() / total),
            extra=float(matrix[:, count:-1].sum() / total),
        )

    def _foreground_background(self) -> float | None:
        is_behind = np.array([fold(name) in BACKGROUND for name in self.classes])
        if not is_behind.any() or is_behind.all():
            return None
        both = np.zeros((2, 2), np.int64)
        inner = self.matrix[:, : len(self.classes)]
        for row, column in np.ndindex(2, 2):
            both[row, column] = inner[is_behind == row][:, is_behind == column].sum()
        unlabelled = [int(self.matrix[is_behind == row, len(self.classes) :].sum()) for row in (0, 1)]
        unions = both.sum(0) + both.sum(1) - both.diagonal() + unlabelled
        return float(np.mean([_ratio(*pair) or 0.0 for pair in zip(both.diagonal(), unions, strict=True)]))


def mean_of(class_iou: Mapping[str, float | None], names: Collection[str]) -> float | None:
    """Mean IoU of some classes; None if none of them has one."""
    values = [value for name, value in class_iou.items() if name in names and value is not None]
    return float(np.mean(values)) if values else None


def _ratio(hits: int, union: int) -> float | None:
    return float(hits / union) if union else None
