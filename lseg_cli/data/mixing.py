"""Mixing data sets that each bring their own labels: every batch comes from one set, so no loss mixes label sets.

Which pictures make step s is a function of the seed and of s alone. A resumed run needs no state of a sampler, and
several processes share a batch without talking to each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from lseg_cli.config import AugmentConfig
from lseg_cli.data.datasets import Dataset
from lseg_cli.data.transforms import TrainTransform


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


class MixSchedule(Sampler[list[Pick]]):
    """Says for every step which pictures of which data set it shows. Iterating starts at `start`."""

    def __init__(self, sizes: Sequence[int], weights: Sequence[float], batch_size: int, steps: int, seed: int) -> None:
        """`sizes` and `weights` per data set; `batch_size` over all processes; `steps` of the whole run."""
        self.sizes = sizes
        self.batch_size = batch_size
        self.seed = seed
        self.start = 0
        self.rank, self.processes = 0, 1
        self.turns: list[tuple[int, int]] = []  # of each step: data set, and how often it had its turn before
        shares = [weight / sum(weights) for weight in weights]
        taken = [0] * len(shares)
        for step in range(steps):
            # Low discrepancy: after any number of steps every set is within one batch of its share.
            dataset = max(range(len(shares)), key=lambda d: shares[d] * (step + 1) - taken[d])
            self.turns.append((dataset, taken[dataset]))
            taken[dataset] += 1

    def picks(self, step: int) -> list[Pick]:
        """All pictures of one step, over all processes; every picture of a set is shown before one is shown again."""
        dataset, turn = self.turns[step]
        size = self.sizes[dataset]
        picks: list[Pick] = []
        for slot in range(self.batch_size):
            epoch, place = divmod(turn * self.batch_size + slot, size)
            order = torch.randperm(size, generator=seeded(self.seed, dataset, epoch))
            picks.append(Pick(step, dataset, int(order[place]), slot))
        return picks

    def __iter__(self) -> Iterator[list[Pick]]:
        """This process's part of every step from `start` on."""
        for step in range(self.start, len(self.turns)):
            picks = self.picks(step)
            yield picks[self.rank :: self.processes]

    def __len__(self) -> int:
        return len(self.turns) - self.start


class _Pictures(TorchDataset[tuple[Pick, Tensor, Tensor]]):
    def __init__(self, datasets: Sequence[Dataset], augment: AugmentConfig, seed: int) -> None:
        self.datasets = datasets
        self.transform = TrainTransform(augment)
        self.seed = seed

    def __getitem__(self, pick: Pick) -> tuple[Pick, Tensor, Tensor]:
        image, mask = self.datasets[pick.dataset].read(pick.index)
        generator = seeded(self.seed, pick.step, pick.slot)
        return pick, *self.transform(image, mask, generator)


def _collate(samples: list[tuple[Pick, Tensor, Tensor]]) -> Batch:
    first = samples[0][0]
    images, masks = torch.stack([s[1] for s in samples]), torch.stack([s[2] for s in samples])
    return Batch(first.step, first.dataset, images, masks)


def batches(
    datasets: Sequence[Dataset], schedule: MixSchedule, augment: AugmentConfig, workers: int
) -> DataLoader[Batch]:
    """A loader of the schedule's batches from `schedule.start` on, read and augmented in `workers` processes."""
    return DataLoader(
        _Pictures(datasets, augment, schedule.seed),  # type: ignore[arg-type]
        batch_sampler=schedule,
        num_workers=workers,
        collate_fn=_collate,
        prefetch_factor=4 if workers else None,
    )
