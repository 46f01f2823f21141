"""Judges a decoder on cached features of the val splits, at half the size of the picture."""

import argparse

import torch
from data_sets import CACHE, STRIDES, VAL_PX, VALIDATED, class_names
from torch import Tensor, nn
from torch.nn import functional as F
from vocabulary import embed, held_out_lists

from lseg_cli.model.decoder import upsample2

CELL = 8  # of pixels at half the size
Figures = dict[str, object]


class Judge:
    """What a training is measured by."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Of the options, `tiers`, `unseen` and `fold` count."""
        self.tiers, self.unseen, self.fold = options.tiers, options.unseen, options.fold

    @torch.inference_mode()
    def __call__(self, network: nn.Module, every: int) -> Figures:
        """Figures by set: mIoU over the classes that occur, and the share of right pixels; of every n-th picture."""
        network.eval()
        if self.fold is not None:
            own, cells = self.confusions("coco128", network, slice(self.fold, None, 5))
            return {"coco128": summary(own), "by cells": summary(cells)}
        if self.unseen:
            return self.unseen_figures(network, every)
        figures: Figures = {}
        for name in VALIDATED:
            own, cells, *others = self.confusions(name, network, slice(None, None, every))
            figures[name] = summary(own) | {"by cells": round(mean_iou(cells), 3)}
            if others:
                figures["in other words"] = [round(mean_iou(other) / mean_iou(own), 2) for other in others]
        return figures

    def unseen_figures(self, network: nn.Module, every: int) -> Figures:
        """IoU of VOC's unseen classes: among all 21 labels; and, as the paper does, each alone against 'other'."""
        names = class_names("voc")
        all_labels, _ = self.confusions("voc", network, slice(None, None, every))
        among = {word: round(float(ious(all_labels)[names.index(word)]), 3) for word in self.unseen}
        pairs = {word: self.pair(network, names.index(word), every) for word in self.unseen}
        alone = {word: round(float(ious(table)[1]), 3) for word, table in pairs.items() if table[1].sum()}
        both = [float(ious(table).mean()) for table in pairs.values() if table[1].sum()]
        return {"among all": among, "alone": alone, "FB-IoU": round(sum(both) / max(1, len(both)), 3)}

    def pair(self, network: nn.Module, label: int, every: int) -> Tensor:
        """The confusion of one class of VOC and 'other', on the pictures that show the class, (2, 2)."""
        text, table = embed(["other", class_names("voc")[label]]), torch.zeros(2, 2)
        for levels, mask in load("voc")[::every]:
            if (mask == label).any():
                truth = torch.where(mask == 255, 255, (mask == label).long())
                table += confusion(self.scores(network, levels, text), truth)
        return table

    def confusions(self, name: str, network: nn.Module, which: slice) -> list[Tensor]:
        """Confusions (K, K) by a set's own words, pixel by pixel and cell by cell; of CamVid by each other list too."""
        names = class_names(name)
        lists = held_out_lists().values() if name == "camvid" else ()
        texts = [embed(names), *(embed([words[word] for word in names]) for words in lists)]
        tables = [torch.zeros(len(names), len(names)) for _ in (*texts, "cells")]
        for levels, mask in load(name)[which]:
            own, *others = torch.split(self.scores(network, levels, torch.cat(texts)), len(names))
            found = [(own, mask), cells_of(own, mask), *((part, mask) for part in others)]
            tables = [table + confusion(*pair) for table, pair in zip(tables, found, strict=True)]
        return tables

    def scores(self, network: nn.Module, levels: list[Tensor], text: Tensor) -> Tensor:
        """Cosines at half the size of the picture, (N, H / 2, W / 2)."""
        with torch.autocast("cpu", torch.bfloat16):
            embeddings = network(levels[len(STRIDES) - self.tiers :]).float()
        if self.tiers < len(STRIDES):
            embeddings = upsample2(embeddings)
        units = F.normalize(embeddings, dim=1)[0]
        return upsample2(torch.einsum("chw,nc->nhw", units, text)[None])[0]


def load(name: str) -> list[tuple[list[Tensor], Tensor]]:
    """The cached pictures of a val split."""
    found: list[tuple[list[Tensor], Tensor]] = torch.load(
        CACHE / f"val{VAL_PX}.{name}.pt", weights_only=True, mmap=True
    )
    return found


def confusion(scores: Tensor, mask: Tensor) -> Tensor:
    """(N, h, w) and (h, w) -> pixels by true and by found label, (N, N)."""
    count = len(scores)
    known = mask < count
    pairs = mask[known].long() * count + scores.argmax(0)[known]
    return torch.bincount(pairs, minlength=count * count).reshape(count, count).float()


def cells_of(scores: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean scores and labels of the cells of stride 16 that one label covers more than half of; 255 for the others."""
    count = len(scores)
    shares = F.one_hot(mask.long().clamp_max(count), count + 1).permute(2, 0, 1).float()
    best = F.avg_pool2d(shares, CELL)[:count].max(0)
    return F.avg_pool2d(scores, CELL), torch.where(best.values > 0.5, best.indices, 255)


def ious(table: Tensor) -> Tensor:
    """IoU of each class."""
    return table.diag() / (table.sum(0) + table.sum(1) - table.diag()).clamp_min(1)


def mean_iou(table: Tensor) -> float:
    """Over the classes that occur."""
    return float(ious(table)[table.sum(1) > 0].mean())


def summary(table: Tensor) -> dict[str, float]:
    """Give mIoU and pixel accuracy."""
    return {"mIoU": round(mean_iou(table), 3), "pixels right": round(float(table.diag().sum() / table.sum()), 3)}
