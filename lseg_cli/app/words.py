"""Labels as they are typed on the page: their vectors, and what there is to say of each of them at once."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lseg_cli.config import TextConfig
from lseg_cli.data.labels import Label, LabelSet
from lseg_cli.data.vocabularies import NAMES
from lseg_cli.data.vocabulary import Vocabulary, open_labels
from lseg_cli.errors import LsegError
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.model.text.labels import ALIKE

MOST_LABELS = 256  # on the page: a list that nobody can look through finds no words
LABEL_SETS = tuple(name for name in NAMES if not name.startswith("fss1000"))
_MOST_KEPT = 5_000  # labels with their vectors


@dataclass(frozen=True)
class Word:
    """A label as a text encoder reads it.

    Attributes:
        vector: (C,) of unit length.
        notices: what `lseg labels check` says of the label alone.
    """

    vector: Floats
    notices: tuple[str, ...]


class Words:
    """The text encoder of a model, which reads each label once."""

    def __init__(self, config: TextConfig) -> None:
        """Of a model; nothing is loaded yet."""
        self._config = config
        self._cache = EmbeddingCache()
        self._known: OrderedDict[tuple[str, ...], Word] = OrderedDict()
        self._lock = threading.Lock()

    def vectors(self, labels: LabelSet) -> Floats:
        """(N, C) of labels.

        Raises:
            LsegError: as `lseg_cli.model.text.labels.embed_labels`.
            MismatchError: the model has no text encoder for them, or another one made the vocabulary.
            MissingError: the text encoder is not on this machine.
        """
        if isinstance(labels, Vocabulary):
            return embed_label_set(labels, self._config, cache=self._cache).vectors
        return np.stack([word.vector for word in self._read(labels)])

    def notices(self, labels: LabelSet) -> list[list[str]]:
        """For each label what there is to say of it: words that are spelled out, cut texts, near twins.

        Raises as `vectors`.
        """
        vectors = self.vectors(labels)
        cosines = np.triu(vectors @ vectors.T, k=1)
        if isinstance(labels, Vocabulary):
            found = [list[str]() for _ in labels.labels]
        else:
            found = [list(word.notices) for word in self._read(labels)]
        for one, other in zip(*np.nonzero(cosines > ALIKE[self._config.kind]), strict=True):
            for here, there in ((one, other), (other, one)):
                found[here].append(f"Nearly the same as '{labels.names[there]}' (cosine {cosines[one, other]:.2f}).")
        return found

    def _read(self, labels: LabelSet) -> list[Word]:
        with self._lock:
            new = [label for label in labels.labels if label.prompts not in self._known]
            if new:
                # All at once, and then each from the cache: so that the notices are those of one label.
                unique = tuple({label.prompts: label for label in new}.values())
                embed_label_set(_numbered(unique), self._config, cache=self._cache)
                for label in unique:
                    found = embed_label_set(_numbered((label,)), self._config, cache=self._cache)
                    self._known[label.prompts] = Word(found.vectors[0], tuple(found.notices))
            words = [self._known[label.prompts] for label in labels.labels]
            while len(self._known) > _MOST_KEPT:
                self._known.popitem(last=False)
        return words


class LabelText:
    """What may stand in the page's box of labels: words and known sets; and, once, what the command line gave.

    Attributes:
        given: as it was given on the command line, with the files it may name.
    """

    def __init__(self, given: str = "") -> None:
        """Reads what was given.

        Raises:
            LsegError: as `lseg_cli.data.vocabulary.open_labels`; or too many labels.
        """
        self.given = given
        self._given = _few(open_labels(given)) if given else None

    def read(self, text: str) -> tuple[LabelSet, list[str]]:
        """The labels of a text, and what there is to say of them together.

        Raises:
            LsegError: no label, more than the page shows, or as `lseg_cli.data.labels.parse_labels`; the name of a
                file, for who types it may not be who may read it.
        """
        if self._given is not None and text.strip() == self.given.strip():
            return self._given
        if not text.strip(" ,"):
            raise LsegError("There are no labels yet; type some, such as: sky, road, other")
        return _few(open_labels(text, reads_files=False))


def _numbered(labels: Sequence[Label]) -> LabelSet:
    return LabelSet(labels=tuple(label.model_copy(update={"id": number}) for number, label in enumerate(labels)))


def _few(read: tuple[LabelSet, list[str]]) -> tuple[LabelSet, list[str]]:
    count = len(read[0].labels)
    if count > MOST_LABELS:
        raise LsegError(
            f"These are {count:,} labels; the page takes up to {MOST_LABELS}. lseg segment takes all of them."
        )
    return read
