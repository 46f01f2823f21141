"""The cached crops of the data sets, put together into the batches of a training."""

import argparse
import queue
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from data_sets import CACHE, IGNORE, PICTURES, SIDE_PX, STRIDES
from features import corners
from numpy.typing import NDArray
from torch import Tensor
from vocabulary import SPEAK_VOC, Words, ids_in_voc

PART_CELLS = 8  # of stride 32, of 13: the side of the part of a crop that a step learns on, for a third of the time
LOOK_EVERY = 50  # steps
RAREST = 1e-5  # share of pixels that counts as one in the weights
PICTURE_BALANCE, MOST = 0.5, 10.0


@dataclass(frozen=True)
class Drawn:
    """Some crops of one set: indices of the pictures, maps and masks, and where the parts lie in the crops."""

    indices: NDArray[np.int64]
    maps: list[list[NDArray[np.int16]]]
    masks: list[NDArray[np.uint8]]
    corners: list[NDArray[np.int64]]


class Crops:
    """The cached crops of one data set, of all variants that are there."""

    def __init__(self, name: str, options: argparse.Namespace, rng: np.random.Generator) -> None:
        """Counts the classes of the first variant: for the loss's weights, and to show rare ones more often."""
        self.name, self.parts, self.tuned = name, not options.whole, options.tune > 0
        self.tiers = options.tiers
        self.words = Words(name, options.unseen, rng)
        self.wanted: list[int] = options.variants
        self.variants: list[int] = []
        self.maps: dict[int, list[NDArray[np.int16]]] = {}
        self.masks: dict[int, NDArray[np.uint8]] = {}
        self.look()
        if not self.variants:
            raise SystemExit(f"There are no features of {name} in {CACHE}: features.py makes them.")
        first = self.masks[self.variants[0]][:, ::4, ::4].reshape(len(self.masks[self.variants[0]]), -1)
        classes = 1 if name == PICTURES else len(self.words.names)
        shown = np.stack([np.bincount(row, minlength=IGNORE + 1)[:classes] for row in first])
        pixels = shown.sum(0)
        self.weights = weights_of(pixels.astype(np.float64), options.balance)
        self.as_voc: tuple[Words, Tensor, Tensor] | None = None  # words, weights and ids
        if name in SPEAK_VOC and not options.unseen:
            ids, words = ids_in_voc(name), Words("voc", [], rng)
            theirs = np.bincount(ids[:classes], pixels, IGNORE + 1)[: len(words.names)]
            self.as_voc = words, weights_of(theirs.astype(np.float64), options.balance), torch.from_numpy(ids).long()
        inside = shown > 4
        rarity = np.where(inside, (len(shown) / np.maximum(inside.sum(0), 1)) ** PICTURE_BALANCE, 1)
        self.chances = rarity.max(1).clip(1, MOST)
        if self.words.hidden:
            self.chances[inside[:, self.words.hidden].any(1)] = 0
        if name == "coco128" and options.fold is not None:
            self.chances[options.fold :: 5] = 0
        self.chances = self.chances / self.chances.sum()

    def look(self) -> None:
        """Opens the variants that are there by now: features.py may still be at work beside the training."""
        for variant in set(self.wanted) - set(self.variants):
            if (CACHE / f"{self.name}.{variant}.done").exists():
                files = [CACHE / f"{self.name}.{variant}.s{stride}.npy" for stride in STRIDES[-self.tiers :]]
                self.maps[variant] = [np.load(file, mmap_mode="r") for file in files]
                self.masks[variant] = np.load(CACHE / f"{self.name}.{variant}.mask.npy", mmap_mode="r")
                self.variants = sorted((*self.variants, variant))

    def draw(self, rng: np.random.Generator, count: int) -> Drawn:
        """`count` crops, half of them mirrored."""
        drawn = Drawn(rng.choice(len(self.chances), count, p=self.chances), [], [], [])
        for index in drawn.indices:
            variant = self.variants[rng.integers(len(self.variants))]
            levels, mask = [level[index] for level in self.maps[variant]], self.masks[variant][index]
            if rng.random() < 0.5:
                levels, mask = [level[:, ::-1] for level in levels], mask[:, ::-1]
            corner, whole = rng.integers(0, SIDE_PX // STRIDES[-1] - PART_CELLS + 1, 2), levels
            if self.parts:
                levels, mask = part_of(levels, mask, corner)
            at = [corners(side, size) for side, size in zip(levels[0].shape, mask.shape, strict=False)]
            drawn.maps.append([*levels[:3], whole[2]] if self.tuned else levels)
            drawn.masks.append(mask[np.ix_(*at)])
            drawn.corners.append(corner)
        return drawn


def weights_of(pixels: NDArray[np.float64], balance: float) -> Tensor:
    """Weights in the loss of classes that cover so many pixels; 1 is the mean over the pixels."""
    raw = np.maximum(pixels, RAREST * pixels.sum()) ** -balance
    return torch.from_numpy((raw / (raw * pixels).sum() * pixels.sum()).clip(0, 30)).float()


def part_of(
    levels: list[NDArray[np.int16]], mask: NDArray[np.uint8], corner: NDArray[np.int64]
) -> tuple[list[NDArray[np.int16]], NDArray[np.uint8]]:
    """A square of PART_CELLS x PART_CELLS cells of the coarsest map, of each map and of the mask."""
    strides = STRIDES[-len(levels) :]
    parts = []
    for values, per_cell in zip(levels, (STRIDES[-1] // stride for stride in strides), strict=True):
        (top, left), side = corner * per_cell, PART_CELLS * per_cell
        parts.append(values[top : top + side, left : left + side])
    (top, left), side = corner * STRIDES[-1] // 2, PART_CELLS * STRIDES[-1] // 2
    return parts, mask[top : top + side, left : left + side]


@dataclass(frozen=True)
class Batch:
    """Crops of all sets, one set after the other."""

    maps: list[Tensor]  # (B, C, h, w) each
    masks: Tensor  # (B, h, w)
    corners: Tensor  # (B, 2)
    indices: dict[str, NDArray[np.int64]]


def produce(sets: dict[str, Crops], mix: dict[str, int], seed: int, batches: "queue.Queue[Batch]") -> None:
    """Puts batches of all sets into a queue, for ever."""
    rng = np.random.default_rng(seed)
    for number in count():
        if number % LOOK_EVERY == LOOK_EVERY - 1:
            for crops in sets.values():
                crops.look()
        drawn = {name: sets[name].draw(rng, share) for name, share in mix.items()}
        stacks = zip(*(levels for part in drawn.values() for levels in part.maps), strict=True)
        maps = [torch.from_numpy(np.stack(level)).view(torch.bfloat16).permute(0, 3, 1, 2) for level in stacks]
        masks = torch.from_numpy(np.stack([mask for part in drawn.values() for mask in part.masks])).long()
        places = torch.from_numpy(np.stack([corner for part in drawn.values() for corner in part.corners]))
        batches.put(Batch(maps, masks, places, {name: part.indices for name, part in drawn.items()}))
