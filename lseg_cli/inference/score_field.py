"""The scores of any labels anywhere in a picture: the same to the last bit whatever is asked beside them.

`lseg_cli.model.correlation` and `lseg_cli.model.regularizer` in numpy, for a part of the picture and a part of the
labels. A matrix product rounds differently for other numbers of labels, cells and threads. So features and labels are
rounded to whole multiples of 2^-24 (of the picture's largest; less than half a bit of float32): every product and every
sum of them fits into float64's 53 bits and is exact in any order. All that follows is done element by element.

The regulariser's last application adds the same number to all labels of a pixel, the bias and in a bottleneck the
maximum: neither the best label nor a softmax sees it, so it is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import TEMPERATURE, RegularizerConfig
from lseg_cli.errors import DataError, MismatchError
from lseg_cli.inference.interpolation import Floats

_BITS = 24  # of a label's embedding, and of features unless they are very wide
_MANTISSA = 53  # of float64
_TINY = 1e-20  # as in `lseg_cli.model.correlation`
LEAK = 0.01  # of PyTorch's LeakyReLU

Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Regularizer:
    """The spatial regulariser as numbers.

    Attributes:
        depth: applications; 0: none.
        weights: 9, row by row.
        bias: of every application.
        activation: 'lrelu', 'tanh' or 'relu'.
        adds_max: every label sees the strongest one at its place.
    """

    depth: int = 0
    weights: tuple[float, ...] = ()
    bias: float = 0.0
    activation: str = "lrelu"
    adds_max: bool = False

    @classmethod
    def of(cls, config: RegularizerConfig, kernel: tuple[float, ...]) -> "Regularizer":
        """A model's, by its configuration and its 9 weights and 1 bias.

        Raises:
            DataError: there are not 10 numbers.
        """
        if config.kind == "none" or config.depth == 0:
            return cls()
        if len(kernel) != 10:
            raise DataError("The embedding does not bring its regulariser's 10 numbers; embed the picture again.")
        return cls(config.depth, kernel[:9], kernel[9], config.activation, config.kind == "bottleneck")

    def activate(self, x: Floats) -> Floats:
        """In place, any shape; monotone."""
        if self.activation == "lrelu":
            np.maximum(x, x * np.float32(LEAK), out=x)
            return x
        if self.activation == "relu":
            np.maximum(x, np.float32(0), out=x)
            return x
        result: Floats = np.tanh(x, out=x)
        return result


class Words:
    """The embeddings of labels, as a field needs them; made once for all pictures.

    Attributes:
        unit: (N, C) float32, of unit length.
        exact: (N, C) float64, whole multiples of 2^-24.
    """

    def __init__(self, text: Floats) -> None:
        """`text` is (N, C), any length."""
        wide = text.astype(np.float64)
        wide /= np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), _TINY)
        self.exact = np.rint(wide * 2.0**_BITS) / 2.0**_BITS
        self.unit = self.exact.astype(np.float32)

    def __len__(self) -> int:
        """N."""
        return len(self.unit)


@dataclass(frozen=True)
class Side:
    """How a side of the scores lies on the features: `align_corners=True`, twice as many.

    Attributes:
        cell: (2 n,) before which of the n cells a score lies; at most n - 2.
        fraction: (2 n,) float32, how far behind it, from 0 to 1.
    """

    cell: NDArray[np.intp]
    fraction: Floats

    @classmethod
    def of(cls, cells: int) -> "Side":
        """For so many cells, at least 2."""
        position = np.arange(2 * cells) * ((cells - 1) / (2 * cells - 1))
        cell = np.minimum(position.astype(np.intp), cells - 2)
        return cls(cell, (position - cell).astype(np.float32))

    def cells(self, scores: slice) -> slice:
        """Between which some scores lie."""
        return slice(int(self.cell[scores.start]), int(self.cell[scores.stop - 1]) + 2)

    def widened(self, scores: slice, by: int) -> slice:
        """Some more scores at both ends, as far as there are."""
        return slice(max(0, scores.start - by), min(len(self.cell), scores.stop + by))


class ScoreField:
    """A picture's features, and what scores follow from them.

    Attributes:
        words: of the labels.
        regularizer: of the model.
        cells: (h, w, C) float32, the features, the largest at most 1.
        rows: of the scores among the cells.
        columns: likewise.
    """

    def __init__(self, features: NDArray[np.float16] | Floats, words: Words, regularizer: Regularizer) -> None:
        """`features` are (C, h, w), any length.

        Raises:
            MismatchError: features and labels have different widths.
            DataError: a feature is not a number.
        """
        if features.ndim != 3 or len(features) != words.unit.shape[1]:
            raise MismatchError(
                f"The labels' embeddings have shape {words.unit.shape}; this picture's is {len(features)} wide."
            )
        self.words, self.regularizer = words, regularizer
        self.cells = _rounded(features)
        self.rows, self.columns = Side.of(features.shape[1]), Side.of(features.shape[2])
        factor = 1 / np.sqrt(np.maximum(_upsampled_square(self.cells, self.rows, self.columns), _TINY))
        self._factor = (factor / TEMPERATURE).astype(np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """(2 h, 2 w), of the scores."""
        return len(self.rows.cell), len(self.columns.cell)

    @cached_property
    def unit(self) -> Floats:
        """(h, w, C), the features at unit length."""
        unit: Floats = self.cells / np.maximum(self._length, _TINY).astype(np.float32)[..., None]
        return unit

    @cached_property
    def spread(self) -> Floats:
        """(2 h, 2 w), at least 1.

        A score is this times a mean of its four cells' cosines, with weights that sum to one, over the temperature.
        """
        spread = _between(self._length, self.rows, self.columns) * self._factor * TEMPERATURE
        # The factor is rounded.
        return np.maximum(spread * (1 + 1e-6), 1).astype(np.float32)

    @cached_property
    def _length(self) -> NDArray[np.float64]:
        return np.sqrt(_dot(self.cells, self.cells))

    @cached_property
    def all(self) -> Labels:
        """Every label."""
        return np.arange(len(self.words))

    def scores(self, labels: Labels, rows: slice, columns: slice) -> Floats:
        """The scores of some labels in a part of the picture, but for what is common to all labels of a pixel.

        Args:
            labels: (K,) ascending. Of a bottleneck's, the maximum is among these: with too few it is another one.
            rows: of the scores.
            columns: likewise.

        Returns:
            (r, c, K) float32.
        """
        kernel = self.regularizer
        tall, wide = self.rows.widened(rows, kernel.depth), self.columns.widened(columns, kernel.depth)
        x = self._correlate(labels, tall, wide)
        for application in range(kernel.depth):
            padding = [(int(part.start == 0), int(part.stop == size)) for part, size in self._sides(tall, wide)]
            tall, wide = self._shrunk(tall, padding[0]), self._shrunk(wide, padding[1])
            smooth = _convolve(np.pad(x, (*padding, (0, 0))), kernel.weights)
            if application < kernel.depth - 1:
                smooth += kernel.bias
                if kernel.adds_max:
                    inner = x[_inner(padding[0]), _inner(padding[1])]
                    smooth += inner.max(2, keepdims=True)
                kernel.activate(smooth)
            x = smooth
        return x[_within(rows, tall), _within(columns, wide)]

    def scores_at(self, rows: Labels, columns: Labels) -> Floats:
        """The scores of all labels at some rows and columns, (r, c, N), as `scores` gives them."""
        if self.regularizer.depth:
            places = ((slice(row, row + 1), slice(column, column + 1)) for row in rows for column in columns)
            return np.concatenate([self.scores(self.all, *each) for each in places]).reshape(
                len(rows), len(columns), -1
            )
        y, x = self.rows.cell[rows], self.columns.cell[columns]
        cells = self.cells[np.ix_(np.append(y, y + 1), np.append(x, x + 1))]
        exact = cells.reshape(-1, cells.shape[2]).astype(np.float64) @ self.words.exact.T
        corners = exact.astype(np.float32).reshape(*cells.shape[:2], -1)
        middle = _mixed(corners[: len(y)], corners[len(y) :], self.rows.fraction[rows, None, None])
        across = _mixed(middle[:, : len(x)], middle[:, len(x) :], self.columns.fraction[columns, None])
        across *= self._factor[np.ix_(rows, columns)][..., None]
        return across

    def _correlate(self, labels: Labels, rows: slice, columns: slice) -> Floats:
        """(r, c, K) cosines over the temperature."""
        down, across = self.rows.cells(rows), self.columns.cells(columns)
        cells = self.cells[down, across]
        words = self.words.exact if len(labels) == len(self.words) else self.words.exact[labels]
        exact = cells.reshape(-1, cells.shape[2]).astype(np.float64) @ words.T
        corners = exact.astype(np.float32).reshape(*cells.shape[:2], len(labels))
        middle = _mixed(*_pair(corners, self.rows.cell[rows] - down.start, 0), self.rows.fraction[rows, None, None])
        result = _mixed(
            *_pair(middle, self.columns.cell[columns] - across.start, 1), self.columns.fraction[columns, None]
        )
        result *= self._factor[rows, columns, None]
        return result

    def _sides(self, tall: slice, wide: slice) -> tuple[tuple[slice, int], tuple[slice, int]]:
        return (tall, self.shape[0]), (wide, self.shape[1])

    @staticmethod
    def _shrunk(part: slice, padding: tuple[int, int]) -> slice:
        """What a kernel of three leaves of a part: all at the picture's sides, where it is padded."""
        return slice(part.start + 1 - padding[0], part.stop - 1 + padding[1])


def _rounded(features: NDArray[np.float16] | Floats) -> Floats:
    """(C, h, w) -> (h, w, C), the largest at most 1, all whole multiples of a power of two."""
    cells = np.ascontiguousarray(features.transpose(1, 2, 0), np.float32)
    largest = float(np.abs(cells).max())
    if not np.isfinite(largest):
        raise DataError("The network's answer is not a number; try --precision fp32.")
    # The sum of products is at most the product of lengths, sqrt(C) times 1: so many bits more.
    bits = min(_BITS, int(_MANTISSA - _BITS - 0.01 - np.log2(cells.shape[2]) / 2))
    scale = np.float32(2.0 ** (bits - np.ceil(np.log2(largest)))) if largest > 0 else np.float32(1)
    cells *= scale  # by a power of two, so exact
    np.rint(cells, out=cells)
    cells *= np.float32(2.0**-bits)
    return cells


def _upsampled_square(cells: Floats, rows: Side, columns: Side) -> NDArray[np.float64]:
    """The squared length of the upsampled features, (2 h, 2 w): see `lseg_cli.model.correlation`."""
    along_x, along_y = cells[:, 1:] - cells[:, :-1], cells[1:] - cells[:-1]
    across = along_x[1:] - along_x[:-1]
    fy, fx = rows.fraction[:, None].astype(np.float64), columns.fraction.astype(np.float64)
    gy, gx = fy * (1 - fy), fx * (1 - fx)
    step_x, step_y = _dot(along_x, along_x)[:, columns.cell], _dot(along_y, along_y)[rows.cell]
    above, left = step_x[rows.cell], step_y[:, columns.cell]
    step_x = above + (step_x[rows.cell + 1] - above) * fy
    step_y = left + (step_y[:, columns.cell + 1] - left) * fx
    twist = _dot(across, across)[rows.cell][:, columns.cell]
    square: NDArray[np.float64] = _between(_dot(cells, cells), rows, columns) - gx * step_x - gy * step_y
    return square + gy * gx * twist


def _dot(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Inner products of the last axis."""
    product: NDArray[np.float64] = np.einsum("hwc,hwc->hw", a, b).astype(np.float64)
    return product


def _between(x: NDArray[np.float64], rows: Side, columns: Side) -> NDArray[np.float64]:
    """Upsamples by two, (h, w) -> (2 h, 2 w)."""
    above = x[rows.cell]
    x = above + (x[rows.cell + 1] - above) * rows.fraction[:, None]
    left = x[:, columns.cell]
    upsampled: NDArray[np.float64] = left + (x[:, columns.cell + 1] - left) * columns.fraction
    return upsampled


def _pair(x: Floats, before: NDArray[np.intp], axis: int) -> tuple[Floats, Floats]:
    """Copies of what lies before and behind points."""
    return x.take(before, axis), x.take(before + 1, axis)


def _mixed(before: Floats, behind: Floats, fraction: Floats) -> Floats:
    """Between two points, in place of the one behind; always in the same order."""
    behind -= before
    behind *= fraction
    behind += before
    return behind


def _convolve(x: Floats, weights: Sequence[float]) -> Floats:
    """(r + 2, c + 2, K) -> (r, c, K): nine products and their sum, element by element, always in the same order."""
    height, width = x.shape[0] - 2, x.shape[1] - 2
    total: Floats = x[:height, :width] * np.float32(weights[0])
    product = np.empty_like(total)
    for number, weight in enumerate(weights[1:], 1):
        down, right = divmod(number, 3)
        np.multiply(x[down : down + height, right : right + width], np.float32(weight), out=product)
        total += product
    return total


def _inner(padding: tuple[int, int]) -> slice:
    """Of a part, what lies below the middle of the kernel."""
    return slice(1 - padding[0], -1 if not padding[1] else None)


def _within(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)
