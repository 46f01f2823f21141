"""The best labels of every pixel where there are very many labels: what cannot win is never made.

The picture is cut into blocks. In each, bounds drop the labels that cannot be among the best (`domination`, and
`pruning` where there is a regulariser or more than the best is asked for); of the others the scores are made
(`score_field`) and brought to the picture's size. A score has the same last bit whatever is made beside it, so the
masks are, to the byte, those of all labels. Memory is that of a block: at ten thousand labels some ten megabytes a
thread.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import RegularizerConfig
from lseg_cli.inference.domination import undominated
from lseg_cli.inference.interpolation import Floats, Positions
from lseg_cli.inference.pruning import survivors
from lseg_cli.inference.score_field import Labels, Regularizer, ScoreField, Words
from lseg_cli.inference.segmentation import Segmentation, Stopwatch
from lseg_cli.inference.upsampling import Band, Grid, empty_index
from lseg_cli.inference.winner import Index

FEW = 64  # labels up to which the engine's own scores are as fast; see `recipes/many-labels/measure.py`
BLOCK = 32  # scores along a side: of larger ones more labels are left, of smaller ones more cells count twice
_SAMPLES = 8  # along a side, of which the mean confidence is made

Choose = Callable[[ScoreField, slice, slice, int], Labels]


def are_many(labels: int, with_probability: bool) -> bool:
    """Whether so many labels are better bounded than scored; a softmax needs the scores of all of them."""
    return labels > FEW and not with_probability


class ManyLabels:
    """Labels, so many that most of them are dropped before their maps are made; the same for all pictures."""

    def __init__(self, text: Floats, regularizer: RegularizerConfig, kernel: tuple[float, ...]) -> None:
        """Prepare labels for a model.

        Args:
            text: (N, C) embeddings of the labels.
            regularizer: of the model.
            kernel: its 9 weights and 1 bias; none without it.

        Raises:
            DataError: the kernel is incomplete.
        """
        self._words = Words(text)
        self._regularizer = Regularizer.of(regularizer, kernel)
        # Of an activation between two applications the bounds are so loose that they seldom pay for themselves.
        self._choose = needed_labels if self._regularizer.depth <= 1 else all_labels

    def segment(
        self, features: NDArray[np.float16] | Floats, size: tuple[int, int], count: int = 1, threads: int = 1
    ) -> Segmentation:
        """The segmentation of a picture, without probabilities.

        Args:
            features: (C, h, w) of the picture, any length.
            size: (H, W) of the picture.
            count: labels of every pixel, the best first.
            threads: blocks at a time.

        Raises:
            DataError: a feature is not a number.
        """
        watch = Stopwatch()
        field = ScoreField(features, self._words, self._regularizer)
        best = best_labels(field, size, min(count, len(self._words)), threads, self._choose)
        return Segmentation(best, None, mean_confidence(field), {"postprocess": watch.ms})

    def scores(self, features: NDArray[np.float16] | Floats) -> Floats:
        """The scores of all labels, as `ScoreField` gives them.

        Args:
            features: (C, h, w) of the picture, any length.

        Returns:
            (N, 2 h, 2 w) float32.

        Raises:
            DataError: a feature is not a number.
        """
        field = ScoreField(features, self._words, self._regularizer)
        height, width = field.shape
        scores = np.empty((len(self._words), height, width), np.float32)
        for top in range(0, height, BLOCK):
            for left in range(0, width, BLOCK):
                rows, columns = slice(top, min(top + BLOCK, height)), slice(left, min(left + BLOCK, width))
                scores[:, rows, columns] = field.scores(field.all, rows, columns).transpose(2, 0, 1)
        return scores


def needed_labels(field: ScoreField, rows: slice, columns: slice, count: int) -> Labels:
    """Labels, ascending, that can be among the `count` best of some pixel; `rows` and `columns` are of the scores."""
    if field.regularizer.depth == 0 and count == 1:
        return undominated(field, rows, columns)
    return survivors(field, rows, columns, count)


def all_labels(field: ScoreField, rows: slice, columns: slice, count: int) -> Labels:
    """What `needed_labels` gives where nothing is proven: every label."""
    return field.all


def best_labels(
    field: ScoreField, size: tuple[int, int], count: int, threads: int = 1, choose: Choose = needed_labels
) -> Index:
    """The `count` best labels of every pixel, (count, H, W), the best first and the lower one of equals.

    Args:
        field: of the picture.
        size: (H, W) of the picture.
        count: at most the number of labels.
        threads: blocks at a time.
        choose: the labels that count in a block; `all_labels` gives the same masks, later.
    """
    index = empty_index(len(field.words), (count, *size))
    grid = Grid.of(field.shape, size)

    def fill(block: tuple[slice, slice]) -> None:
        index[:, block[0], block[1]] = _best_of_block(field, grid, block, count, choose)

    blocks = product(_blocks(grid.rows), _blocks(grid.columns))
    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        for _ in (pool.map if pool else map)(fill, blocks):
            pass
    return index


def mean_confidence(field: ScoreField) -> float:
    """The mean softmax of the best label, over an even grid of 8 x 8 scores: of all labels, so not at every score."""
    rows, columns = (np.linspace(0, side - 1, _SAMPLES).astype(np.intp) for side in field.shape)
    scores = field.scores_at(rows, columns)
    scores -= scores.max(2, keepdims=True)
    return float((1 / np.exp(scores, out=scores).sum(2, dtype=np.float64)).mean())


def _best_of_block(
    field: ScoreField, grid: Grid, block: tuple[slice, slice], count: int, choose: Choose
) -> NDArray[np.generic]:
    """(count, b, W)."""
    rows, columns = grid.needed(*block)
    labels = choose(field, rows, columns, count)
    size = block[0].stop - block[0].start, block[1].stop - block[1].start
    best = empty_index(len(labels), (count, *size))
    if len(labels) == 1:
        best[...] = 0
    else:
        scores: Floats = np.ascontiguousarray(field.scores(labels, rows, columns).transpose(2, 0, 1))
        band = Band(scores, grid, *block, origin=(rows.start, columns.start))
        if count == 1:
            band.find_winner(best[0])
        else:
            band.find_best(best, band.contenders(count))
    return labels.take(best)


def _blocks(positions: Positions) -> Iterator[slice]:
    """Pixels along a side of the picture that depend on about as many scores each."""
    number = positions[0] // (2 * BLOCK)
    starts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(number)]
    return (slice(first, stop) for first, stop in pairwise(starts))
