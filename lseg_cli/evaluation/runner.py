"""A model's figures on a data set: every picture once, at its own size."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from lseg_cli.data.datasets import Dataset
from lseg_cli.evaluation.metrics import Confusion, Scores

Predict = Callable[[NDArray[np.uint8]], NDArray[np.integer]]


def evaluate(predict: Predict, dataset: Dataset) -> Scores:
    """Compares predictions with the data set's masks.

    Args:
        predict: (H, W, 3) uint8 RGB -> (H, W) ids of the data set's classes.
        dataset: one split.
    """
    confusion = Confusion(dataset.classes, dataset.ignore)
    for index in range(len(dataset)):
        image, mask = dataset.read(index)
        confusion.add(torch.from_numpy(predict(image)), torch.from_numpy(mask.astype(np.int64)))
    return confusion.scores()
