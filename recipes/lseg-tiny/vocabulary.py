"""The words of a training step: a data set's labels, some in other words, with or without 'other' beside them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from data_sets import IGNORE, PICTURES, class_names
from numpy.typing import NDArray
from torch import Tensor

from lseg_cli.model.text.word_table import WordTable
from lseg_cli.training.vocabulary import read_synonyms

HERE = Path(__file__).parent
NONE = -100  # cross-entropy leaves such pixels out
TABLE = WordTable.open()
SPEAK_VOC = ("coco128", "msrc")  # sets that also tell what VOC's classes and its 'other' look like
SAY_THE_REST = ("voc", "clothing")  # sets whose own labels include everything else
WIDER = 0.5  # how often a picture of ImageNet is said by its kind: a tabby is a cat
STRANGERS = 60  # names of ImageNet beside those of the pictures shown


def embed(words: list[str]) -> Tensor:
    """N words -> (N, C), unit length."""
    return torch.from_numpy(TABLE.embed(words))


def held_out_lists() -> dict[str, dict[str, str]]:
    """CamVid's labels in other words, to measure with."""
    lists: dict[str, dict[str, str]] = yaml.safe_load((HERE / "paraphrases.yaml").read_text(encoding="utf-8"))
    return lists


def ids_in_voc(name: str) -> NDArray[np.uint8]:
    """VOC's id for each mask id of `coco128`, `msrc` or VOC itself, (256,); IGNORE where a name does not tell."""
    shared: dict[str, list[str]] = yaml.safe_load((HERE / "shared_names.yaml").read_text(encoding="utf-8"))
    ids = np.full(IGNORE + 1, IGNORE, np.uint8)
    for index, word in enumerate(class_names(name)):
        said = [theirs for theirs, words in shared.items() if word == theirs or word in words]
        ids[index] = IGNORE if said == ["unclear"] else class_names("voc").index(said[0] if said else "other")
    return ids


@dataclass(frozen=True)
class Chances:
    """How often a step changes what its labels are."""

    paraphrase: float = 0.3  # a label is said by one of its synonyms
    other: float = 0.3  # 'other' is among the labels though nothing shows it
    subset: float = 0.1  # two labels of five are left out, and 'other' is right in their place
    shared: float = 0.0  # a set that has names for everything says VOC's instead of its own


class Words:
    """The words of one data set."""

    def __init__(self, name: str, unseen: list[str], rng: np.random.Generator) -> None:
        """`unseen` are classes that no step may name."""
        self.name, self.rng = name, rng
        self.names = class_names(name)
        self.own = embed(self.names)
        self.other = embed(["other"])
        self.hidden = [index for index, word in enumerate(self.names) if word in unseen]
        held_out = [word for words in held_out_lists().values() for word in words.values()]
        synonyms = read_synonyms(str(HERE / "synonyms.yaml"))
        known = [[word for word in synonyms.get(name, ()) if not meets(word, held_out)] for name in self.names]
        self.near = [embed(words) if words else None for words in known]
        self.kinds = np.full(len(self.names), -1)  # of each class of `imagenet1000`, as a row of `wider`
        groups = yaml.safe_load((HERE / "groups.yaml").read_text(encoding="utf-8")) if name == PICTURES else {}
        for row, ranges in enumerate(groups.values()):
            for first, last in (str(part).split("-") if "-" in str(part) else (part, part) for part in ranges):
                self.kinds[int(first) : int(last) + 1] = row
        self.wider = embed([*groups]) if groups else self.other

    def step(self, weights: Tensor, chances: Chances) -> tuple[Tensor, Tensor, Tensor]:
        """Label embeddings (N, C), their weights (N,), and the label of every mask id, (256,)."""
        text = self.own.clone()
        for index, near in enumerate(self.near):
            if near is not None and self.rng.random() < chances.paraphrase:
                text[index] = near[self.rng.integers(len(near))]
        kept = np.array([index for index in range(len(self.names)) if index not in self.hidden])
        parted = self.name not in SAY_THE_REST and self.rng.random() < chances.subset
        if parted:
            kept = kept[self.rng.random(len(kept)) < 0.6]
        lookup = torch.full((IGNORE + 1,), NONE)
        if self.name not in SAY_THE_REST and (parted or not len(kept) or self.rng.random() < chances.other):
            text, weights = torch.cat((text, self.other)), torch.cat((weights, torch.ones(1)))
            if parted:
                lookup[: len(self.names)] = len(kept)
                lookup[self.hidden] = NONE
            rows = np.append(kept, len(self.names))
        else:
            rows = kept
        lookup[torch.from_numpy(kept)] = torch.arange(len(kept))
        return text[rows], weights[rows], lookup

    def of_pictures(self, indices: NDArray[np.int64], chances: Chances) -> Tensor:
        """For `imagenet1000`: the names of the pictures shown, or of their kinds; of others; and mostly 'other'."""
        strangers = np.setdiff1d(self.rng.integers(len(self.names), size=STRANGERS), indices)
        rows = []
        for index in indices:
            kind = self.kinds[index]
            wider = kind >= 0 and self.rng.random() < WIDER
            rows.append(self.wider[kind] if wider else self.own[index])
            if wider:
                strangers = strangers[self.kinds[strangers] != kind]
        rest = self.other if self.rng.random() < chances.other else self.other[:0]
        return torch.cat((torch.stack(rows), self.own[strangers], rest))


def meets(word: str, held_out: list[str]) -> bool:
    """Whether a word, its plural, or a phrase that holds it is held out, however it is spaced."""

    def stems(text: str) -> list[str]:
        return [part.removesuffix("s") for part in text.casefold().replace("-", " ").split()]

    mine = stems(word)
    return any({*theirs} <= {*mine} or "".join(theirs) == "".join(mine) for theirs in map(stems, held_out))
