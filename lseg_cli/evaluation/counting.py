"""What a model says of every picture of a data set, counted: each picture once, several models side by side."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.datasets import Dataset
from lseg_cli.errors import DataError, MemoryFullError
from lseg_cli.evaluation.labelling import IGNORED, Labelling
from lseg_cli.evaluation.metrics import Confusion, Counts, Scores
from lseg_cli.inference.segmenter import Segmenter

Indices = NDArray[np.int64]


class Predictor(Protocol):
    """Gives every pixel of a picture one of N labels, or none."""

    def predict(self, picture: NDArray[np.uint8], path: Path) -> Indices:
        """(H, W, 3) uint8 RGB, from `path` -> (H, W), positions among the labels; N: no label."""
        ...


class WholePicture:
    """A picture goes through the network once, as `lseg segment` does it."""

    def __init__(self, segmenter: Segmenter, min_confidence: float = 0.0) -> None:
        """`segmenter` gives confidence where `min_confidence` is above 0; pixels below it get no label."""
        self._segmenter, self._min_confidence = segmenter, min_confidence

    def predict(self, picture: NDArray[np.uint8], path: Path) -> Indices:
        """As `Predictor`.

        Raises:
            DataError: the network's answer is not a number; names `path`.
        """
        try:
            found = self._segmenter.segment(picture)
        except MemoryFullError:
            raise
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        index = found.index.astype(np.int64)
        if self._min_confidence > 0 and found.confidence is not None:
            index[found.confidence < self._min_confidence] = len(self._segmenter.text)
        return index


class Tally:
    """The confusion matrices of one or more predictors over the same pictures.

    Attributes:
        confusions: one for each predictor.
        equal: pixels on which all agree.
        pixels: of all pictures.
    """

    def __init__(self, predictors: Sequence[Predictor], labelling: Labelling) -> None:
        """Nothing is counted yet; the predictors have the same labels, counted by `labelling`."""
        self._predictors, self._labelling = predictors, labelling
        self.confusions = [Confusion(labelling.classes, IGNORED, labelling.extra) for _ in predictors]
        self.equal = self.pixels = 0

    def run(self, dataset: Dataset, turns: Iterable[int]) -> Iterator[int]:
        """Counts the pictures of these numbers, and yields each when it is done.

        Raises:
            DataError: a picture or mask that cannot be read or that do not fit each other, an id without a label, an
                answer that is not a number; names the file.
        """
        for number in turns:
            picture, mask = dataset.read(number)
            truth = self._labelling.truth(mask, dataset.masks[number])
            given = [
                self._labelling.columns[each.predict(picture, dataset.images[number])] for each in self._predictors
            ]
            for confusion, columns in zip(self.confusions, given, strict=True):
                confusion.add(columns, truth)
            self.equal += int(np.all([columns == given[0] for columns in given], axis=0).sum())
            self.pixels += mask.size
            yield number

    def numbers(self) -> Counts:
        """All that was counted as one row, which may be summed over processes."""
        facts = [self.equal, self.pixels, self.confusions[0].pictures]
        return np.concatenate([facts, *(each.matrix.ravel() for each in self.confusions)])

    def take(self, numbers: Counts) -> None:
        """Puts summed `numbers` in place of its own."""
        self.equal, self.pixels, pictures = (int(number) for number in numbers[:3])
        for confusion, part in zip(self.confusions, np.split(numbers[3:], len(self.confusions)), strict=True):
            confusion.matrix = part.reshape(confusion.matrix.shape)
            confusion.pictures = pictures


def evaluate(segmenter: Segmenter, dataset: Dataset) -> Scores:
    """Compares a segmenter's labels with the data set's masks.

    Args:
        segmenter: its labels are the data set's classes, in their order.
        dataset: one split.

    Raises:
        DataError: as `Tally.run`.
    """
    tally = Tally([WholePicture(segmenter)], Labelling.of(dataset.classes, dataset.ignore))
    for _ in tally.run(dataset, range(len(dataset))):
        pass
    return tally.confusions[0].scores()
