"""Segmentation figures from one confusion matrix over a whole set."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix


@dataclass(frozen=True)
class Scores:
    """Shares between 0 and 1. A class that occurs neither in masks nor in predictions has no IoU and counts nowhere."""

    pixel_accuracy: float
    mean_iou: float
    class_iou: dict[str, float | None]
    pictures: int


class Confusion:
    """Counts of (true id, predicted id); ignored pixels are left out."""

    def __init__(self, classes: tuple[str, ...], ignore: int) -> None:
        """`classes` by id; `ignore` is an id of the true mask."""
        self.classes = classes
        self.pictures = 0
        self._matrix = MulticlassConfusionMatrix(
            len(classes), ignore_index=ignore, validate_args=False, sync_on_compute=False
        )

    def add(self, predicted: Tensor, truth: Tensor) -> None:
        """One picture: two (H, W) integer tensors of ids."""
        self._matrix.update(predicted.flatten().long(), truth.flatten().long())
        self.pictures += 1

    def scores(self) -> Scores:
        """The figures so far."""
        matrix = self._matrix.compute().double().reshape(len(self.classes), -1)  # torchmetrics squeezes a 1 x 1
        hits = matrix.diagonal()
        union = matrix.sum(0) + matrix.sum(1) - hits
        iou = torch.where(union > 0, hits / union.clamp_min(1), torch.nan)
        return Scores(
            pixel_accuracy=float(hits.sum() / matrix.sum().clamp_min(1)),
            mean_iou=float(torch.nanmean(iou)) if bool((union > 0).any()) else 0.0,
            class_iou={
                name: None if bool(value.isnan()) else float(value)
                for name, value in zip(self.classes, iou, strict=True)
            },
            pictures=self.pictures,
        )
