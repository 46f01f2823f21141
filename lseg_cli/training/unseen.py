"""Classes that training must not see, so that what a model makes of their words can be told on the validation set.

`DataRef.unseen` names them, `DataRef.unseen_pixels` says what becomes of the pictures that show them. They are no label
of a training step, nor 'other', nor other words for a label, nor a negative (see `lseg_cli.training.vocabulary`).
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from lseg_cli.config import DataRef
from lseg_cli.data.datasets import Dataset, open_dataset
from lseg_cli.data.labels import fold
from lseg_cli.errors import DataError, LsegError
from lseg_cli.evaluation.metrics import Scores, mean_of


def open_seen(refs: Sequence[DataRef]) -> tuple[list[Dataset], frozenset[str]]:
    """The data sets of a mix without the pictures that training must not see, and all unseen names, folded.

    Raises:
        LsegError: `unseen` names no class of its data set, or a class that another set of the mix trains on.
        DataError: a mask shows an unseen class, and that is an error; no picture is left; or as `open_dataset`.
    """
    datasets = [open_dataset(ref) for ref in refs]
    unseen = frozenset(fold(name) for ref in refs for name in ref.unseen)
    for ref, dataset in zip(refs, datasets, strict=True):
        unknown = [name for name in ref.unseen if name not in dataset.classes]
        if unknown:
            raise LsegError(f"The unseen class '{unknown[0]}' is none of {ref.path}: {', '.join(dataset.classes)}.")
        leaks = [name for name in dataset.classes if fold(name) in unseen and name not in ref.unseen]
        if leaks:
            raise LsegError(
                f"'{leaks[0]}' is unseen in one data set, and {ref.path} trains on it: name it in `unseen` there too."
            )
        if len(unseen_ids(dataset, unseen)) == len(dataset.classes):
            raise LsegError(f"All classes of {ref.path} are unseen: there is nothing to train on.")
    return [_hold_out(dataset, ref, unseen) for ref, dataset in zip(refs, datasets, strict=True)], unseen


def unseen_ids(dataset: Dataset, unseen: Collection[str]) -> list[int]:
    """Mask ids of the classes whose folded names are in `unseen`."""
    return [label_id for label_id, name in enumerate(dataset.classes) if fold(name) in unseen]


def split_mean_iou(scores: Scores, unseen: Collection[str]) -> tuple[float | None, float | None]:
    """Mean IoU over the seen and over the unseen classes; None where no such class has an IoU."""
    hidden = {name for name in scores.class_iou if fold(name) in unseen}
    return mean_of(scores.class_iou, scores.class_iou.keys() - hidden), mean_of(scores.class_iou, hidden)


def _hold_out(dataset: Dataset, ref: DataRef, unseen: frozenset[str]) -> Dataset:
    ids = unseen_ids(dataset, unseen)
    if not ids or ref.unseen_pixels == "ignore":  # the label sampler leaves those pixels out
        return dataset
    with ThreadPoolExecutor(2) as pool:
        shown = list(pool.map(lambda i: np.intersect1d(dataset.read_ids(i), ids), range(len(dataset))))
    if ref.unseen_pixels == "error":
        for mask, found in zip(dataset.masks, shown, strict=True):
            if len(found):
                raise DataError(
                    f"{mask} shows '{dataset.classes[found[0]]}', which training must not see; with `unseen_pixels: "
                    "ignore` its pixels are left out, with `skip` such pictures."
                )
    kept = [index for index, found in enumerate(shown) if not len(found)]
    if not kept:
        raise DataError(f"Every picture of {ref.path}, split {ref.split}, shows a class that training must not see.")
    return replace(dataset, images=tuple(dataset.images[i] for i in kept), masks=tuple(dataset.masks[i] for i in kept))
