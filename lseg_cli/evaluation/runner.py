"""A model's figures on a data set: every picture once, at its own size."""

import numpy as np
import torch

from lseg_cli.data.datasets import Dataset
from lseg_cli.evaluation.metrics import Confusion, Scores
from lseg_cli.inference.segmenter import Segmenter


def evaluate(segmenter: Segmenter, dataset: Dataset) -> Scores:
    """Compares a segmenter's labels with the data set's masks.

    Args:
        segmenter: its labels are the data set's classes, in their order.
        dataset: one split.
    """
    confusion = Confusion(dataset.classes, dataset.ignore)
    for index in range(len(dataset)):
        image, mask = dataset.read(index)
        predicted = segmenter.segment(image).index.astype(np.int64)
        confusion.add(torch.from_numpy(predicted), torch.from_numpy(mask.astype(np.int64)))
    return confusion.scores()
