"""Suggested labels: which words of a long list are in some pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lseg_cli.data.finding import Source
from lseg_cli.data.images import PictureError, open_image
from lseg_cli.data.labels import LabelSet
from lseg_cli.inference.segmenter import Segmenter


@dataclass(frozen=True)
class Suggestion:
    """A word that wins pixels.

    Attributes:
        word: it.
        share: of all pixels, a picture counting as much as any other.
        pictures: in which it wins at least a hundredth.
    """

    word: str
    share: float
    pictures: int


_NOTICED = 0.01  # share of a picture


class Suggesting:
    """Iterate over the pictures, then ask for what was found.

    Attributes:
        failures: one sentence for each picture that cannot be read.
    """

    def __init__(self, segmenter: Segmenter, labels: LabelSet, sources: Sequence[Source]) -> None:
        """Take a segmenter with the labels' embeddings, the labels, and pictures."""
        self._segmenter, self._labels, self._sources = segmenter, labels, sources
        self.failures: list[str] = []
        self._shares = np.zeros(len(labels.labels))
        self._pictures = np.zeros(len(labels.labels), np.intp)
        self._done = 0

    def __iter__(self) -> Iterator[Source]:
        """Segment picture after picture.

        Raises:
            DataError: the network's answer is not a number.
        """
        for source in self._sources:
            try:
                picture = np.asarray(open_image(source.path))
            except PictureError as error:
                self.failures.append(str(error))
            else:
                index = self._segmenter.segment(picture).index
                shares = np.bincount(index.ravel(), minlength=len(self._shares)) / index.size
                self._shares += shares
                self._pictures += shares >= _NOTICED
                self._done += 1
            yield source

    def found(self, count: int) -> list[Suggestion]:
        """Return at most a number of words that win any pixels, the one with most pixels first."""
        order = np.argsort(-self._shares, kind="stable")[:count]
        names = self._labels.names
        return [
            Suggestion(names[index], round(float(self._shares[index] / self._done), 4), int(self._pictures[index]))
            for index in order
            if self._shares[index] > 0
        ]
