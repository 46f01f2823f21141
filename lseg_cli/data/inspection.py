"""A data set looked at before anything relies on it: every mask is read, and all that is wrong is reported."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import DataRef
from lseg_cli.data.datasets import absent_classes, cannot_teach, list_dataset, mostly_ignored
from lseg_cli.data.images import open_picture
from lseg_cli.data.references import expanded, parse_data, unknown_set
from lseg_cli.data.sets.folder import read_description
from lseg_cli.data.sets.registry import KNOWN
from lseg_cli.data.split import Dataset
from lseg_cli.errors import DataError

MAX_PROBLEMS = 50  # of a split that are reported in full; the others are counted


@dataclass(frozen=True)
class Finding:
    """The facts of one picture and its mask."""

    index: int
    counts: NDArray[np.int64] | None  # (classes + 1,): pixels of each class, and ignored ones; None: see `problem`
    problem: str = ""


Track = Callable[[Iterable[Finding], int], Iterator[Finding]]  # passes findings on, and shows how far they are


@dataclass(frozen=True)
class SplitReport:
    """One split as it was found."""

    ref: DataRef
    dataset: Dataset | None  # None: it could not even be listed
    counts: NDArray[np.int64]  # over all sound pictures, as `Finding.counts`
    sound: tuple[int, ...]  # pictures without a problem
    problems: tuple[str, ...]  # at most MAX_PROBLEMS
    problem_count: int

    @property
    def title(self) -> str:
        """`train`, or `train, fold 0`."""
        return self.ref.split if self.ref.fold is None else f"{self.ref.split}, fold {self.ref.fold}"

    def notes(self) -> list[str]:
        """Return sentences on what is unusual: files passed over, classes that occur nowhere, many ignored pixels."""
        if self.dataset is None:
            return []
        notes = list(self.dataset.notes)
        absent = absent_classes(self.dataset, self.counts)
        if self.sound and absent:
            notes.append(absent)
        if note := mostly_ignored(self.counts):
            notes.append(note)
        return notes

    def shares(self) -> dict[str, float]:
        """Return the share of each class among the pixels that have one."""
        total = max(1, int(self.counts[:-1].sum()))
        classes = self.dataset.classes if self.dataset else ()
        return {name: int(count) / total for name, count in zip(classes, self.counts, strict=False)}

    def ignored(self) -> float:
        """Share of pixels without a class."""
        return int(self.counts[-1]) / max(1, int(self.counts.sum()))


def splits_of(text: str, root: str | None, lists: str | None, split: str | None, fold: int | None) -> list[DataRef]:
    """Every split of a data set, and every fold where it has any.

    Args:
        text: as for `parse_data`; a known set's name alone if `root` is given.
        root: of a known set.
        lists: folder of split lists.
        split: only this one.
        fold: only this one.

    Raises:
        LsegError: as `parse_data`.
        DataError: a `dataset.yaml` cannot be read; a known set has no such split.
    """
    if root and text not in KNOWN:
        raise unknown_set(text)
    ref = DataRef(path=text, root=root, split="") if root else parse_data(text, "")
    known = KNOWN.get(ref.path)
    if split or ref.split:
        names = [split or ref.split]
        if known:
            known.check_split(names[0])  # once, and not for each fold
    elif known:
        names = list(known.splits)
    else:
        names = list(read_description(expanded(ref.path))[1].splits)
    folds = range(known.folds) if known and known.folds and fold is None else [fold]
    return [
        ref.model_copy(update={"split": name, "fold": number, "lists": lists or ""})
        for number in folds
        for name in names
    ]


def inspect_split(ref: DataRef, track: Track, threads: int | None = None, decode: bool = False) -> SplitReport:
    """Reads every mask of a split and goes on over what is wrong.

    Args:
        ref: the split.
        track: shows how far it is.
        threads: that read; None: one per core.
        decode: read every picture too, not only its size.
    """
    try:
        dataset = list_dataset(ref)
    except DataError as error:
        return SplitReport(ref, None, np.zeros(1, np.int64), (), (str(error),), 1)
    counts = np.zeros(len(dataset.classes) + 1, np.int64)
    sound: list[int] = []
    problems: list[str] = []
    problem_count = 0
    for finding in track(_inspect(dataset, threads, decode), len(dataset)):
        if finding.counts is not None:
            counts += finding.counts
            sound.append(finding.index)
        else:
            problem_count += 1
            if len(problems) < MAX_PROBLEMS:
                problems.append(finding.problem)
    useless = cannot_teach(dataset, counts) if sound else ""
    if useless:
        problems, problem_count = [useless, *problems], problem_count + 1
    return SplitReport(ref, dataset, counts, tuple(sound), tuple(problems), problem_count)


def _inspect(dataset: Dataset, threads: int | None, decode: bool) -> Iterator[Finding]:
    def look(index: int) -> Finding:
        missing = dataset.missing(index)
        if missing:
            return Finding(index, None, missing)
        try:
            if decode:
                open_picture(dataset.images[index])
            return Finding(index, dataset.count(index))
        except DataError as error:
            return Finding(index, None, str(error))

    pool = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        yield from pool.map(look, range(len(dataset)))
    finally:
        pool.shutdown(cancel_futures=True)  # whoever interrupts does not wait for a hundred thousand files
