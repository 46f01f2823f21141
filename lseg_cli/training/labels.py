"""What the labels of a step are. The same class is called by different words, among different other labels.

A network that always sees the same vectors learns the vectors; one that sees a class under neighbouring words, in
random company, with 'other' for the rest, has to learn what the words mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lseg_cli.config import LabelConfig
from lseg_cli.data.mixing import Batch, seeded

IGNORE = -100  # cross-entropy leaves these pixels out
OTHER = "other"
_STREAM = 1  # keeps these random numbers apart from those of the pictures


@dataclass(frozen=True)
class Words:
    """Embeddings for one data set; all rows of unit length."""

    classes: Tensor  # (K + 1, C): the data set's labels, then 'other'
    near: Sequence[Tensor]  # K + 1 times (M, C): the same thing in other words; M may be 0
    negatives: Tensor  # (P, C): words for things that the data set does not have
    weights: Tensor  # (K,): of each class in the loss
    ignore: int


@dataclass(frozen=True)
class StepLabels:
    """The labels of one step and how mask ids map to them."""

    text: Tensor  # (N, C)
    weights: Tensor  # (N,)
    lookup: Tensor  # (257,) int64 or longer: mask id -> label, or IGNORE; the last entry is for PADDING (-1)


class LabelSampler:
    """Draws the labels of a step from the seed and the step alone, and from what the batch shows."""

    def __init__(self, words: Sequence[Words], config: LabelConfig, seed: int) -> None:
        """`words` per data set of the mix."""
        self.words = words
        self.config = config
        self.seed = seed

    def sample(self, batch: Batch) -> StepLabels:
        """Labels for one batch."""
        words = self.words[batch.dataset]
        generator = seeded(self.seed, batch.step, _STREAM)
        kept = self._choose(words, batch, generator)
        with_other = _chance(self.config.other, generator) or len(kept) == 0
        rows = [*kept, len(words.classes) - 1] if with_other else kept
        text = torch.stack([self._say(words, row, generator) for row in rows])
        weights = torch.cat((words.weights, torch.ones(1)))[rows]
        if self.config.negatives and len(words.negatives):
            drawn = torch.randint(len(words.negatives), (self.config.negatives,), generator=generator)
            text = torch.cat((text, words.negatives[drawn]))
            weights = torch.cat((weights, torch.ones(len(drawn))))
        lookup = torch.full((max(256, words.ignore + 1) + 1,), IGNORE)
        if with_other:
            lookup[: len(words.classes) - 1] = len(kept)
            lookup[words.ignore] = len(kept)
        lookup[torch.tensor(kept, dtype=torch.long)] = torch.arange(len(kept))
        return StepLabels(text, weights, lookup)

    def _choose(self, words: Words, batch: Batch, generator: torch.Generator) -> list[int]:
        """Ids of the data set that stay labels in this step, ascending: those in the batch, then others as room is."""
        count = len(words.classes) - 1
        present = torch.zeros(count, dtype=torch.bool)
        present[batch.masks[(batch.masks >= 0) & (batch.masks < count)].long()] = True
        company = torch.randperm(count, generator=generator)
        kept, room = present, self.config.max_labels
        if _chance(self.config.subset, generator):
            share = 0.3 + 0.7 * float(torch.rand((), generator=generator))
            kept = present & (torch.rand(count, generator=generator) < share)
            room = int(torch.randint(min(count, 2), min(count, room) + 1, (), generator=generator))
        absent = company[~present[company]][: max(0, room - int(kept.sum()))]
        return sorted([*kept.nonzero().flatten().tolist(), *absent.tolist()])

    def _say(self, words: Words, row: int, generator: torch.Generator) -> Tensor:
        """One label's embedding as this step says it: (C,), unit length."""
        said = words.classes[row]
        near = words.near[row]
        if len(near) and _chance(self.config.paraphrase, generator):
            said = near[int(torch.randint(len(near), (), generator=generator))]
        if self.config.noise:
            noise = torch.randn(said.shape, generator=generator)
            said = F.normalize(said, dim=0) + self.config.noise * F.normalize(noise, dim=0)
        return F.normalize(said, dim=0)


def _chance(probability: float, generator: torch.Generator) -> bool:
    return float(torch.rand((), generator=generator)) < probability
