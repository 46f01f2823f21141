"""Mixing data sets that each bring their own labels: every batch comes from one set, so no loss mixes label sets.

Which pictures make step s is a function of the seed and of s alone. A resumed run needs no state of a sampler, and
several processes share a batch without talking to each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from lseg_cli.config import AugmentConfig
from lseg_cli.data.datasets import Dataset
from lseg_cli.data.images import pixels_of
from lseg_cli.data.transforms import PADDING, TrainTransform
from lseg_cli.errors import DataError, MissingError

PATIENCE_S = 600  # until a process that reads is given up


@dataclass(frozen=True)
class Pick:
    """One picture of one step."""

    step: int
    dataset: int
    index: int
    slot: int  # place in the step's whole batch, over all processes


@dataclass(frozen=True)
class Batch:
    """Pictures of one data set."""

    step: int
    dataset: int
    images: Tensor  # (B, 3, crop, crop) uint8
    masks: Tensor  # (B, crop, crop) int16 ids of that data set, PADDING outside the pictures


def seeded(*numbers: int) -> torch.Generator:
    """A generator that depends on all the numbers; equal on every machine."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number + 1) % (2**61 - 1)
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True, eq=False)
class MixSchedule(Sampler[list[Pick]]):
    """The pictures of every step, and the data set that they come from.

    Attributes:
        sizes: pictures of each data set.
        weights: how often each has its turn, in any unit.
        batch_size: pictures of a step, over all processes.
        steps: of the whole run.
        seed: of the order.
        start: the step at which iterating starts.
        rank: of this process, whose part of each step is iterated over.
        processes: how many share each step.
    """

    sizes: Sequence[int]
    weights: Sequence[float]
    batch_size: int
    steps: int
    seed: int
    start: int = 0
    rank: int = 0
    processes: int = 1

    @cached_property
    def turns(self) -> list[tuple[int, int]]:
        """The data set of each step, and how often it had its turn before."""
        shares = [weight / sum(self.weights) for weight in self.weights]
        turns, taken = [], [0] * len(shares)
        for step in range(self.steps):
            # Low discrepancy: after any number of steps every set is within one batch of its share.
            dataset = max(range(len(shares)), key=lambda d: shares[d] * (step + 1) - taken[d])
            turns.append((dataset, taken[dataset]))
            taken[dataset] += 1
        return turns

    def picks(self, step: int) -> list[Pick]:
        """All pictures of one step, over all processes; every picture of a set is shown before one is shown again."""
        dataset, turn = self.turns[step]
        size = self.sizes[dataset]
        picks: list[Pick] = []
        for slot in range(self.batch_size):
            epoch, position = divmod(turn * self.batch_size + slot, size)
            order = torch.randperm(size, generator=seeded(self.seed, dataset, epoch))
            picks.append(Pick(step, dataset, int(order[position]), slot))
        return picks

    def __iter__(self) -> Iterator[list[Pick]]:
        """This process's part of every step from `start` on."""
        for step in range(self.start, self.steps):
            picks = self.picks(step)
            yield picks[self.rank :: self.processes]

    def __len__(self) -> int:
        return self.steps - self.start


_Sample = tuple[Pick, Tensor, Tensor] | str  # or why it cannot be read: an exception would come with its traceback
_Arrays = tuple[int, int, NDArray[np.uint8], NDArray[np.int16]] | str  # a `Batch`, or the same


class _Pictures(TorchDataset[_Sample]):
    def __init__(self, datasets: Sequence[Dataset], augment: AugmentConfig, seed: int) -> None:
        self.datasets = datasets
        self.transform = TrainTransform(augment)
        self.seed = seed

    def __getitem__(self, pick: Pick) -> _Sample:
        try:
            picture, mask = self.datasets[pick.dataset].open(pick.index)
        except DataError as error:
            return str(error)
        if picture.valid is not None:  # nothing is taught there, not even 'other'
            mask = np.where(picture.valid, mask, np.int16(PADDING))
        generator = seeded(self.seed, pick.step, pick.slot)
        return pick, *self.transform(pixels_of(picture.image), mask, generator)


def _collate(samples: list[_Sample]) -> _Arrays:
    """Return arrays, which go to the training process through a pipe.

    Tensors would go through /dev/shm, 64 MB in Docker: where it is full a worker dies or all wait for ever.
    """
    sound = []
    for sample in samples:
        if isinstance(sample, str):
            return sample
        sound.append(sample)
    first = sound[0][0]
    images, masks = np.stack([s[1].numpy() for s in sound]), np.stack([s[2].numpy() for s in sound])
    return first.step, first.dataset, images, masks


def batches(
    datasets: Sequence[Dataset], schedule: MixSchedule, augment: AugmentConfig, workers: int
) -> Iterator[Batch]:
    """The schedule's batches from `schedule.start` on, read and augmented in `workers` processes.

    Raises:
        DataError: a picture cannot be read.
        MissingError: a process that reads has died, or does not answer.
    """
    loader: DataLoader[_Arrays] = DataLoader(
        _Pictures(datasets, augment, schedule.seed),  # type: ignore[arg-type]
        batch_sampler=schedule,
        num_workers=workers,
        collate_fn=_collate,
        prefetch_factor=4 if workers else None,
        timeout=PATIENCE_S if workers else 0,
    )
    try:
        for arrays in loader:
            if isinstance(arrays, str):
                raise DataError(arrays)
            step, dataset, images, masks = arrays
            yield Batch(step, dataset, torch.from_numpy(images), torch.from_numpy(masks))
    except RuntimeError as error:
        if "DataLoader" not in str(error) or "Caught" in str(error):  # the latter: an exception of ours in a worker
            raise
        said = str(error).split("\n")[0].rstrip(".")
        raise MissingError(
            f"A process that reads pictures has died or does not answer ({said}); give the run more memory, or "
            "fewer of them with -j 1, or none with -j 0."
        ) from error
