"""Data sets by reference: a known set's name and root, or a `dataset.yaml`; opened, and checked before training."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import DataRef
from lseg_cli.data.masks import IGNORE
from lseg_cli.data.references import expanded, is_unknown, unknown_set
from lseg_cli.data.sets.folder import list_folder
from lseg_cli.data.sets.registry import KNOWN
from lseg_cli.data.split import Dataset
from lseg_cli.errors import DataError, LsegError

_UNUSUAL = 0.5  # share of pixels without a label
_NAMED = 12  # classes that occur nowhere which are named

__all__ = [
    "Dataset",
    "absent_classes",
    "cannot_teach",
    "check_dataset",
    "first_epoch_steps",
    "list_dataset",
    "mostly_ignored",
    "open_dataset",
]


def list_dataset(ref: DataRef) -> Dataset:
    """One split as far as it is there: a picture or mask may turn out to be missing.

    Raises:
        DataError: no such set, root, split or list of files; an empty split.
        LsegError: the reference says too little or too much: a root, a fold.
    """
    known = KNOWN.get(ref.path)
    if is_unknown(ref.path):
        raise unknown_set(ref.path)
    if known is None:
        if ref.root or ref.fold is not None or ref.lists:
            raise LsegError(
                f"{ref.path} is described by its file: root, fold and lists are for the known sets: {', '.join(KNOWN)}."
            )
        return list_folder(expanded(ref.path), ref.split)
    if not ref.root:
        raise LsegError(f"Say where {ref.path} lies, as {ref.path}:ROOT; ROOT holds {known.layout}.")
    lists = expanded(ref.lists) if ref.lists else None
    return known.list(known.home(expanded(ref.root), ref.split, ref.fold, lists))


def open_dataset(ref: DataRef) -> Dataset:
    """One split, whole.

    Raises:
        DataError: as `list_dataset`; a picture without a mask.
        LsegError: as `list_dataset`.
    """
    dataset = list_dataset(ref)
    missing = [sentence for index in range(len(dataset)) if (sentence := dataset.missing(index))]
    if missing:
        more = f" {len(missing) - 1} more are missing too." if len(missing) > 1 else ""
        raise DataError(missing[0] + more)
    return dataset


def check_dataset(dataset: Dataset) -> NDArray[np.int64]:
    """Reads every mask once, before the first step, and counts the pixels of each class.

    Returns:
        (number of classes,) pixel counts.

    Raises:
        DataError: a picture and its mask differ in size, or a mask holds an id without a label; names the file. Or
            nothing can be learned of the split.
    """
    with ThreadPoolExecutor(2) as pool:
        counts = np.asarray(sum(pool.map(dataset.count, range(len(dataset)))), np.int64)
    useless = cannot_teach(dataset, counts)
    if useless:
        raise DataError(useless)
    if note := mostly_ignored(counts):
        dataset.notes.append(note)
    return counts[:-1]


def cannot_teach(dataset: Dataset, counts: NDArray[np.int64]) -> str:
    """Why nothing can be learned from a split, or measured on it; nothing where something can.

    Args:
        dataset: of which each mask was counted.
        counts: (classes + 1,), pixels of each class, and at the end of those that are ignored.
    """
    present = np.flatnonzero(counts[:-1])
    if not present.size:
        return f"Not one pixel of {dataset.name} has a label: all are {dataset.ignore}, which is ignored."
    if present.size == 1 and len(dataset.classes) > 1 and dataset.ignore == IGNORE and counts[-1]:
        only = dataset.classes[present[0]]
        return (
            f"The masks of {dataset.name} hold '{only}' and {IGNORE} alone, and {IGNORE} is ignored: if it means a "
            "class, as in masks in black and white, make ids of it (lseg data import)."
        )
    return ""


def mostly_ignored(counts: NDArray[np.int64]) -> str:
    """A sentence on an unusual share of pixels without a label, or nothing; `counts` as in `cannot_teach`."""
    share = int(counts[-1]) / max(1, int(counts.sum()))
    return f"{share:.1%} of the pixels have no label." if share > _UNUSUAL else ""


def absent_classes(dataset: Dataset, counts: NDArray[np.int64]) -> str:
    """A sentence on classes that occur nowhere, by their pixel counts; nothing where all do."""
    absent = [name for name, count in zip(dataset.classes, counts, strict=False) if not count]
    more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
    named = ", ".join(absent[:_NAMED]) + more
    return f"{len(absent)} of {len(dataset.classes)} classes occur nowhere: {named}." if absent else ""


def first_epoch_steps(datasets: Sequence[Dataset], pictures_per_step: int) -> int:
    """Steps that show every picture of the first set once."""
    return max(1, len(datasets[0]) // pictures_per_step)
