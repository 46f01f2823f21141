"""Which labels can be among the best somewhere in a part of a picture, proven before their maps are made.

Upsampling is convex: between four cells of the features a label's score is a mean of its cosines there, times a number
that all labels share. So the least and the greatest cosine of a few cells bound the scores among them, and intervals go
through the spatial regulariser, whose kernel has known signs. Two bounds are tried on every unit of some scores:

* by itself: a label whose greatest score is below the least of enough others;
* by difference: what a pixel's labels have in common cancels, so a label that is below a good one at every cell of the
  unit stays below it, however much both change from cell to cell.

A bottleneck's maximum counts as well: labels that can be the strongest before an activation are kept. Of a thousand
labels and more, cosines come from a few directions in which these cells lie, and what is left of them is added as an
error: an eighth of the arithmetic. All bounds leave room for rounding; what they drop cannot win, ties included.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import TEMPERATURE
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.score_field import LEAK, Labels, Regularizer, ScoreField, Side

UNIT = 8  # scores along a side that are bounded together
_REACH = 2  # scores beyond them that a pixel of the picture may be a mean of
_DIRECTIONS = 16
_CHUNK = 512  # labels at a time: their cosines stay in a core's cache
MANY = 512  # labels from which a few directions pay
_ROUNDING = 1e-5  # relative: what float32 may be off after some operations

Interval = tuple[Floats, Floats]  # the least and the greatest, (U, K) of units and labels


def survivors(field: ScoreField, rows: slice, columns: slice, count: int) -> Labels:
    """Labels, ascending, that can be among the `count` best of some pixel, or decide what the regulariser does.

    Args:
        field: of a picture.
        rows: of its scores.
        columns: likewise.
        count: at most the number of labels.
    """
    patch = _Patch.of(field, rows, columns)
    labels = field.all
    if len(labels) >= MANY:
        labels = labels[patch.screened(field.words.unit, count)]
    cosines = patch.cells @ field.words.unit[labels].T
    bounds = _Bounds.of(patch, patch.hull(cosines, patch.error))
    kept = bounds.kept(count)
    some = np.flatnonzero(kept.any(0))
    if len(some) > count:
        cosines, bounds = cosines[:, some], bounds.of_labels(some)
        some = some[(kept[:, some] & ~_Differences(patch, cosines, bounds).beaten(count)).any(0)]
    return labels[some]


@dataclass(frozen=True)
class _Patch:
    """A part of a picture, cut into U units.

    Attributes:
        kernel: the regulariser.
        cells: (R, C) float32 of unit length, all that its scores depend on.
        shape: (h, w), R = h w.
        windows: rows and columns of the cells that each unit depends on.
        spread: (U, 1), the greatest in each unit: see `ScoreField`.
        at_side: (U, 1), whether the kernel reaches beyond the picture there.
    """

    kernel: Regularizer
    cells: Floats
    shape: tuple[int, int]
    windows: tuple[list[slice], list[slice]]
    spread: Floats
    at_side: NDArray[np.bool_]

    @classmethod
    def of(cls, field: ScoreField, rows: slice, columns: slice) -> "_Patch":
        depth = field.regularizer.depth
        tall, wide = field.rows.widened(rows, depth), field.columns.widened(columns, depth)
        down, across = field.rows.cells(tall), field.columns.cells(wide)
        high, broad = units(field.rows, rows, depth), units(field.columns, columns, depth)
        cells = field.unit[down, across]
        return cls(
            field.regularizer,
            cells.reshape(-1, cells.shape[2]),
            (cells.shape[0], cells.shape[1]),
            (windows(field.rows, high, down.start), windows(field.columns, broad, across.start)),
            np.asarray([[field.spread[y, x].max()] for y in high for x in broad], np.float32),
            np.array([[_ends(y, field.rows) or _ends(x, field.columns)] for y in high for x in broad]) & (depth > 0),
        )

    @property
    def error(self) -> float:
        """What a cosine in float32 may be off, in whatever order its products are summed."""
        return float(self.cells.shape[1] * 2.0**-23)

    def hull(self, cosines: Floats, error: Floats | float) -> Interval:
        """The least and the greatest of cosines (R, K) in every unit, (U, K), with the error of units (U, 1)."""
        return self.reduced(cosines, np.minimum) - error, self.reduced(cosines, np.maximum) + error

    def reduced(self, x: Floats, which: np.ufunc) -> Floats:
        """(R, K) -> (U, K), over the cells of each unit."""
        x = x.reshape(*self.shape, -1)
        rows, columns = self.windows
        result = np.empty((len(rows), len(columns), x.shape[2]), np.float32)
        for y, high in enumerate(rows):
            strip = which.reduce(x[high], axis=0)
            for number, wide in enumerate(columns):
                which.reduce(strip[wide], axis=0, out=result[y, number])
        return result.reshape(-1, x.shape[2])

    def members(self) -> Iterator[NDArray[np.intp]]:
        """The cells of each unit."""
        positions = np.arange(len(self.cells)).reshape(self.shape)
        return (positions[high, wide].ravel() for high in self.windows[0] for wide in self.windows[1])

    def screened(self, words: Floats, count: int) -> Labels:
        """Labels that are left by themselves, from cosines with an error."""
        directions = self._directions()
        near = self.cells @ directions
        rest = np.linalg.norm(self.cells - near @ directions.T, axis=1)[:, None] + self.error
        error = self.reduced(rest, np.maximum)
        parts = [words[first : first + _CHUNK] for first in range(0, len(words), _CHUNK)]
        hulls = [self.hull(near @ (part @ directions).T, error) for part in parts]
        low, high = (np.concatenate(side, 1) for side in zip(*hulls, strict=True))
        return np.flatnonzero(_Bounds.of(self, (low, high)).kept(count).any(0))

    def _directions(self) -> Floats:
        """(C, D) orthonormal, in which most of the cells lie: Halko et al. 2011, one power iteration."""
        random = np.random.default_rng(0).standard_normal((len(self.cells), _DIRECTIONS), np.float32)
        for _ in range(2):
            random = self.cells @ (self.cells.T @ random)
        directions: Floats = np.linalg.qr(self.cells.T @ random)[0]
        return directions


@dataclass(frozen=True)
class _Bounds:
    """Intervals of every label's scores.

    Attributes:
        inputs: of each application of the kernel; of the scores themselves where there is none.
        before: each activation.
        final: of the scores.
    """

    inputs: list[Interval]
    before: list[Interval]
    final: Interval
    adds_max: bool

    @classmethod
    def of(cls, patch: _Patch, cosines: Interval) -> "_Bounds":
        kernel = patch.kernel
        values = _scaled(cosines, patch.spread)
        inputs, before = [values], list[Interval]()
        for application in range(kernel.depth):
            values = _smoothed(values, patch)
            if application == kernel.depth - 1:
                break
            add = [np.float32(kernel.bias)] * 2
            if kernel.adds_max:
                add = [part.max(1, keepdims=True) + add[0] for part in inputs[-1]]
            before.append(_widened((values[0] + add[0], values[1] + add[1])))
            values = kernel.activate(before[-1][0].copy()), kernel.activate(before[-1][1].copy())
            inputs.append(values)
        return cls(inputs, before, values, kernel.adds_max)

    def of_labels(self, some: Labels) -> "_Bounds":
        """Of some labels only."""

        def cut(interval: Interval) -> Interval:
            return interval[0][:, some], interval[1][:, some]

        return _Bounds([cut(x) for x in self.inputs], [cut(x) for x in self.before], cut(self.final), self.adds_max)

    def deciding(self) -> int:
        """Before how many applications the strongest label counts: the last one's is common to all."""
        return max(0, len(self.inputs) - 1) if self.adds_max else 0

    def kept(self, count: int) -> NDArray[np.bool_]:
        """(U, K) whether a label may matter, by itself."""
        kept = _may_be_best(self.final, count)
        for values in self.inputs[: self.deciding()]:
            kept |= _may_be_best(values, 1)
        return kept


class _Differences:
    """Bounds of labels' scores minus a good one's."""

    def __init__(self, patch: _Patch, cosines: Floats, bounds: _Bounds) -> None:
        self._patch, self._cosines, self._bounds = patch, cosines, bounds
        self._members = list(patch.members())

    def beaten(self, count: int) -> NDArray[np.bool_]:
        """(U, K) whether a label is below `count` good ones, and never the strongest before an activation."""
        final = self._bounds.final
        middle = final[0] + final[1]
        good = np.argpartition(middle, -count, axis=1)[:, -count:]
        beaten = np.ones(middle.shape, np.bool_)
        for rank in range(count):
            beaten &= self._below(good[:, rank], len(self._bounds.before))
        for application in range(self._bounds.deciding()):
            low, high = self._bounds.inputs[application]
            beaten &= self._below((low + high).argmax(1), application)
        return beaten

    def _below(self, good: NDArray[np.intp], activations: int) -> NDArray[np.bool_]:
        """(U, K): below a good label of each unit (U,), after so many activations, and at the end after the kernel."""
        bounds, patch = self._bounds, self._patch
        is_final = activations == len(bounds.before)
        low, high = np.empty((2, len(good), self._cosines.shape[1]), np.float32)
        for unit, cells in enumerate(self._members):
            steps = self._cosines[cells]
            steps -= steps[:, good[unit], None]
            steps.min(0, out=low[unit])
            steps.max(0, out=high[unit])
        values = _scaled((low - 2 * patch.error, high + 2 * patch.error), patch.spread)
        values = _with_direct(values, bounds.inputs[0], good)
        for number in range(activations):
            values = _smoothed(values, patch)
            least, most = _slopes(bounds.before[number], good, patch.kernel.activation)
            values = (
                np.minimum(values[0] * least, values[0] * most),
                np.maximum(values[1] * least, values[1] * most),
            )
            values = _with_direct(values, bounds.inputs[number + 1], good)
        if is_final and patch.kernel.depth:
            values = _smoothed(values, patch)
        of = bounds.final if is_final else bounds.inputs[activations]
        below: NDArray[np.bool_] = values[1] < -_rounding(of)
        return below


def units(side: Side, scores: slice, depth: int = 0) -> list[slice]:
    """Of scores along a side, those that each unit depends on; every three in a row lie in one."""
    starts = range(scores.start, max(scores.stop - _REACH, scores.start + 1), UNIT)
    return [side.widened(slice(start, min(start + UNIT + _REACH, scores.stop)), depth) for start in starts]


def windows(side: Side, units: list[slice], first: int) -> list[slice]:
    """The cells of each, counted from the first."""
    cells = [side.cells(unit) for unit in units]
    return [slice(each.start - first, each.stop - first) for each in cells]


def _ends(unit: slice, side: Side) -> bool:
    return unit.start == 0 or bool(unit.stop == len(side.cell))


def _scaled(cosines: Interval, spread: Floats) -> Interval:
    """Cosines times what lies between 1 and the spread, over the temperature."""
    low, high = cosines
    scale = np.float32(1 / TEMPERATURE)
    return _widened((np.minimum(low, low * spread) * scale, np.maximum(high, high * spread) * scale))


def _smoothed(values: Interval, patch: _Patch) -> Interval:
    """Through the kernel, without its bias; at the picture's sides some of the nine may be nothing."""
    weights = np.array(patch.kernel.weights, np.float32)
    positive, negative = weights[weights > 0].sum(), -weights[weights < 0].sum()
    low, high = values
    if patch.at_side.any():
        low, high = np.where(patch.at_side, np.minimum(low, 0), low), np.where(patch.at_side, np.maximum(high, 0), high)
    off = _ROUNDING * (positive + negative) * max(np.abs(low).max(), np.abs(high).max())
    return positive * low - negative * high - off, positive * high - negative * low + off


def _widened(values: Interval) -> Interval:
    off = _rounding(values)
    return values[0] - off, values[1] + off


def _rounding(values: Interval) -> float:
    return _ROUNDING * float(max(np.abs(values[0]).max(), np.abs(values[1]).max()))


def _may_be_best(values: Interval, count: int) -> NDArray[np.bool_]:
    """(U, K): not below enough others for certain."""
    low, high = values
    bar = low.max(1) if count == 1 else np.partition(low, -count, axis=1)[:, -count]
    may: NDArray[np.bool_] = high >= (bar - _rounding(values))[:, None]
    return may


def _with_direct(values: Interval, each: Interval, good: NDArray[np.intp]) -> Interval:
    """The narrower one of a difference's bounds and those of its two sides."""
    low, high = each
    at = good[:, None]
    return (
        np.maximum(values[0], low - np.take_along_axis(high, at, 1)),
        np.minimum(values[1], high - np.take_along_axis(low, at, 1)),
    )


def _slopes(before: Interval, good: NDArray[np.intp], activation: str) -> Interval:
    """The least and the greatest slope of an activation between a label and the good one, (U, K)."""
    low, high = before
    low = np.minimum(low, np.take_along_axis(low, good[:, None], 1))
    high = np.maximum(high, np.take_along_axis(high, good[:, None], 1))
    if activation == "tanh":
        far, near = np.maximum(np.abs(low), np.abs(high)), np.maximum(np.maximum(low, -high), 0)
        off = np.float32(_ROUNDING)
        return np.maximum(1 - np.tanh(far) ** 2 - off, 0), np.minimum(1 - np.tanh(near) ** 2 + off, 1)
    flat = np.float32(LEAK if activation == "lrelu" else 0)
    one = np.float32(1)
    return np.where(low >= 0, one, flat), np.where(high <= 0, flat, one)
