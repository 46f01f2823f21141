"""The words of a mix of data sets: its labels, other words for them, and words for things it does not have."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from lseg_cli.config import LabelConfig
from lseg_cli.data.datasets import Dataset
from lseg_cli.data.labels import fold
from lseg_cli.errors import DataError
from lseg_cli.model.text.word_table import WordTable
from lseg_cli.reading import read_yaml
from lseg_cli.training.labels import Words
from lseg_cli.training.unseen import unseen_ids

Embed = Callable[[Sequence[str]], NDArray[np.float32]]  # N texts -> (N, C), unit length

_NEAREST = 60  # neighbours looked at per label
_NEAR = 0.36  # cosine from which a neighbour may stand for a label: 'street' for 'road' 0.7, unrelated words 0.05
_LEAD = 0.08  # and by which it must be nearer to that label than to every other label of the set
_FAR = 0.4  # a negative is farther than this from every label of the set
_NEGATIVE_ROWS = slice(300, 12_000)  # the table is sorted by frequency: no 'the', nothing obscure


def build_words(
    datasets: Sequence[Dataset],
    counts: Sequence[NDArray[np.int64]],
    embed: Embed,
    config: LabelConfig,
    balance: float,
    unseen: frozenset[str] = frozenset(),
) -> list[Words]:
    """Words for every data set of a mix.

    Args:
        datasets: of the mix.
        counts: pixels of each class, per data set.
        embed: the model's text encoder.
        config: what of this is wanted.
        balance: exponent of the class weights, see `TrainConfig.balance`.
        unseen: folded names of classes that training must not see, nor words for them.
    """
    table = WordTable.open() if config.paraphrase or config.negatives else None
    held_out = frozenset(_strings(_words_in(config.held_out))) if config.held_out else frozenset()
    synonyms = read_synonyms(config.synonyms) if config.synonyms else {}
    held_out |= unseen.union(*(map(str.casefold, said) for name, said in synonyms.items() if fold(name) in unseen))
    words: list[Words] = []
    for dataset, pixels in zip(datasets, counts, strict=True):
        names = [*dataset.prompts, config.other_label]
        classes = torch.from_numpy(embed(names))
        near = [torch.empty(0, classes.shape[1]) for _ in names]
        negatives = torch.empty(0, classes.shape[1])
        if table is not None and config.paraphrase:
            near = [_embedded(found, embed, classes) for found in paraphrases(table, names, synonyms, held_out)]
        if table is not None and config.negatives:
            negatives = _embedded(strangers(table, names, held_out), embed, classes)
        hidden = unseen_ids(dataset, unseen)
        weights = _class_weights(np.where(np.isin(np.arange(len(pixels)), hidden), 0, pixels), balance)
        words.append(Words(classes, near, negatives, weights, dataset.ignore, hidden))
    return words


def paraphrases(
    table: WordTable, names: Sequence[str], synonyms: Mapping[str, Sequence[str]], held_out: frozenset[str]
) -> list[list[str]]:
    """For each name other words for it: its synonyms as far as they are not held out, or the table's neighbours."""
    known = [[word for word in synonyms.get(name, ()) if not _holds(word, held_out)] for name in names]
    return [given or found for given, found in zip(known, neighbours(table, names, held_out), strict=True)]


def neighbours(table: WordTable, names: Sequence[str], held_out: frozenset[str]) -> list[list[str]]:
    """For each name the words that mean about the same, and are nearer to it than to any other of the names."""
    own = table.embed(names)  # (N, C)
    found: list[list[str]] = []
    for index, name in enumerate(names):
        candidates = [w for w, cosine in table.nearest(own[index], _NEAREST) if cosine >= _NEAR and w != name]
        candidates = [w for w in candidates if not _holds(w, held_out)]
        cosines = table.embed(candidates) @ own.T if candidates else np.empty((0, len(names)))  # (M, N)
        rivals = np.delete(cosines, index, axis=1).max(axis=1, initial=-1.0)
        found.append([w for w, c, r in zip(candidates, cosines[:, index], rivals, strict=True) if c >= r + _LEAD])
    return found


def strangers(table: WordTable, names: Sequence[str], held_out: frozenset[str]) -> list[str]:
    """Frequent words that are near to none of the names."""
    vectors = table.vectors[_NEGATIVE_ROWS]
    nearest = (vectors @ table.embed(names).T).max(axis=1)
    rows = zip(table.words[_NEGATIVE_ROWS], nearest, strict=True)
    return [word for word, cosine in rows if cosine < _FAR and not _holds(word, held_out)]


def _holds(word: str, held_out: frozenset[str]) -> bool:
    """Whether a word, or the plural or a phrase of it, is held out: 'cloud' and 'storm clouds' go with 'clouds'.

    However it is spaced: 'sky scraper' goes with 'skyscraper'.
    """
    stems = _stems(word)
    return any({*known} <= {*stems} or "".join(known) == "".join(stems) for known in map(_stems, held_out))


def _stems(text: str) -> list[str]:
    return [part.removesuffix("s") for part in text.casefold().replace("-", " ").split()]


def _embedded(words: Sequence[str], embed: Embed, like: Tensor) -> Tensor:
    return torch.from_numpy(embed(words)) if words else like.new_empty(0, like.shape[1])


def _class_weights(pixels: NDArray[np.int64], balance: float) -> Tensor:
    """(mean count / count) ** balance, within a factor of 8, so that no rare class outshouts all others."""
    present = pixels[pixels > 0]
    if not len(present):
        return torch.ones(len(pixels))
    ratio = float(present.mean()) / np.maximum(pixels, 1)
    return torch.from_numpy(np.clip(ratio**balance, 1 / 8, 8)).float()


def read_synonyms(path: str) -> dict[str, list[str]]:
    """A file of synonyms: label -> other words for it.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    content = _words_in(path)
    try:
        return TypeAdapter(dict[str, list[str]]).validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise DataError(f"The synonyms {path} must be lists of words by label; {where}: {first['msg']}.") from error


def _words_in(path: str) -> object:
    return read_yaml(path, "The words in", "cannot be read")


def _strings(content: object) -> Iterator[str]:
    """Every string value in what a YAML file holds, lower case."""
    pending = [content]
    while pending:
        value = pending.pop()
        if isinstance(value, str) and value.strip():
            yield value.casefold()
        elif isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
