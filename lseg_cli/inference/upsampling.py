"""From the network's scores to the best labels of every pixel, without ever holding all labels at the picture's size.

Scores come at half the network's size: the model's last upsampling is done here, label by label, in bands of rows.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from lseg_cli.inference.confidence import BLOCK_FLOATS, LARGEST_RANGE, even_series, in_bands, winner_confidence
from lseg_cli.inference.interpolation import Floats, Positions, aligned, between, cut, double, halved, positions_of
from lseg_cli.inference.winner import Index, fill_winner, update_winner

BAND_PX, BLOCK_PX = 128, 512  # rows and columns at a time: they stay in a core's cache, and few labels win there
_BAND_FLOATS = 2**20  # of the network's scores, at its size, that are looked at together where cells are filled
_TOGETHER_FLOATS = 2**16  # of scores that are doubled in one go: so few that the calls would cost more

ALL = slice(None)


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a picture lie among the network's scores.

    Attributes:
        rows: of the picture among the network's rows.
        columns: likewise.
        half_rows: (2 h,) how far behind a row of the scores the network's rows lie.
        half_columns: (2 w,) likewise.
    """

    rows: Positions
    columns: Positions
    half_rows: Floats
    half_columns: Floats

    @classmethod
    def of(cls, scores: tuple[int, int], size: tuple[int, int]) -> "Grid":
        """For scores of (h, w), half the network's size, and a picture of (H, W)."""
        height, width = scores
        return cls(positions_of(2 * height, size[0]), positions_of(2 * width, size[1]), aligned(height), aligned(width))

    def needed(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Rows and columns of the scores that some of the picture depend on."""
        return (
            halved(self.half_rows, cut(self.rows, rows)[1])[0],
            halved(self.half_columns, cut(self.columns, columns)[1])[0],
        )


def upsample_best(
    scores: Floats,
    size: tuple[int, int],
    count: int,
    with_probability: bool,
    threads: int = 1,
    band_px: int | None = None,
) -> tuple[Index, Floats | None]:
    """The `count` best labels of every pixel and their softmax.

    Scores are doubled as the model does it (`align_corners=True`), then brought to the picture's size, bilinear with
    half-pixel centres (`align_corners=False`). Bands of rows give exactly what the whole would give, which `cv2.resize`
    does not: its last bit depends on the number of rows. Per band, one pass over the labels that can win there finds
    the best, and one over all labels sums exp(logit - winner's logit), which cannot overflow.

    Args:
        scores: (N, h, w) logits at half the network's size.
        size: (H, W) wanted.
        count: at most N.
        with_probability: whether to compute it.
        threads: bands at a time.
        band_px: rows of a band; None: as many as a core's cache holds.

    Returns:
        (count, H, W) index, the best first and the lower one of equals, and (count, H, W) float32 or None.
    """
    index = empty_index(len(scores), (count, *size))
    probability = np.empty((count, *size), np.float32) if with_probability else None
    grid = Grid.of((scores.shape[1], scores.shape[2]), size)
    step = band_px or (_rows_to_fill(scores, size[0], threads) if count == 1 and probability is None else BAND_PX)
    bands = [(slice(top, min(top + step, size[0])), list[slice]()) for top in range(0, size[0], step)]
    greatest = float(scores.max())
    if count == 1 and probability is not None and greatest - scores.min() <= LARGEST_RANGE:
        bands = in_bands(even_series(grid.rows), step)

    def fill(band: slice, series: list[slice]) -> None:
        if count == 1:
            rows = Band(scores, grid, band)
            rows.find_winner(index[0, band])
            if probability is not None:
                probability[0, band] = rows.confidence(greatest, series)
            return
        for left in range(0, size[1], BLOCK_PX):
            block = slice(left, min(left + BLOCK_PX, size[1]))
            rows = Band(scores, grid, band, block)
            best = rows.find_best(index[:, band, block], rows.contenders(count))
            if probability is not None:
                probability[:, band, block] = np.exp(best - best[0]) / rows.sum_of_exp(best[0])

    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        for _ in (pool.map if pool else map)(fill, *zip(*bands, strict=True)):
            pass
    return index, probability


def empty_index(labels: int, shape: tuple[int, ...]) -> Index:
    """Room for positions among so many labels."""
    return np.empty(shape, np.uint8) if labels <= 2**8 else np.empty(shape, np.uint16)


def _rows_to_fill(scores: Floats, height: int, threads: int) -> int:
    """Rows of a picture of that height whose scores (N, h, w) fit into a core's cache at the network's size."""
    return max(BAND_PX, min(_BAND_FLOATS * height // (4 * scores.size), -(-height // threads)))


def mean_confidence(scores: Floats) -> float:
    """The mean softmax of the winner over the scores (N, h, w) themselves; not a number where one of them is not."""
    total = 0.0
    for row in range(0, scores.shape[1], BAND_PX):
        band = scores[:, row : row + BAND_PX]
        exponential = band - band.max(0)
        total += float((1 / np.exp(exponential, out=exponential).sum(0)).sum(dtype=np.float64))
    return total / float(scores[0].size)


class Rows:
    """Some rows of upsampled logits, made label by label.

    Attributes:
        labels: how many.
    """

    labels: int

    def upsampled(self, label: int) -> Floats:
        """(b, W), until the next call."""
        raise NotImplementedError

    def contenders(self, count: int) -> list[int]:
        """Labels, ascending, that can be among the `count` best somewhere."""
        raise NotImplementedError

    def find_best(self, index: Index, contenders: Sequence[int]) -> Floats:
        """Fills `index` (K, b, W) with the K best of the contenders; returns their logits (K, b, W)."""
        first, *others = contenders
        index[...] = first
        best = np.full(index.shape, -np.inf, np.float32)
        best[0] = self.upsampled(first)
        for label in others:
            insert(best, index, self.upsampled(label), label)
        return best

    def sum_of_exp(self, best: Floats) -> Floats:
        """The sum over labels of exp(logit - best), (b, W), at least 1."""
        total = np.zeros_like(best)
        for label in range(self.labels):
            logit = self.upsampled(label)
            logit -= best
            total += np.exp(logit, out=logit)
        return total


class Band(Rows):
    """Rows of one grid of scores."""

    def __init__(
        self, scores: Floats, grid: Grid, rows: slice, columns: slice = ALL, origin: tuple[int, int] = (0, 0)
    ) -> None:
        """Bind some rows and columns of a picture to its scores.

        Args:
            scores: (N, h, w) of the whole picture, or of a part with all that `Grid.needed` says.
            grid: of the whole picture.
            rows: wanted.
            columns: wanted.
            origin: the row and column of the whole at which `scores` begin.
        """
        self._rows, near_rows = cut(grid.rows, rows)
        whole = grid.columns, slice(0, len(grid.half_columns))  # `confidence` stretches all columns over the width
        self._columns, near_columns = whole if columns == ALL else cut(grid.columns, columns)
        half_rows, self._half_rows, self._in_rows = halved(grid.half_rows, near_rows)
        half_columns, self._half_columns, self._in_columns = halved(grid.half_columns, near_columns)
        (top, left), (bottom, right) = ((half_rows.start, half_columns.start), (half_rows.stop, half_columns.stop))
        self._near = scores[:, top - origin[0] : bottom - origin[0], left - origin[1] : right - origin[1]]
        self.labels = len(scores)
        _, height, width = self._near.shape
        self._half_wide = np.empty((height, 2 * width), np.float32)
        self._doubled = np.empty((2 * height, 2 * width), np.float32)
        self._wide = _pair(self._in_rows.stop - self._in_rows.start, len(self._columns[0]))
        self._full = _pair(len(self._rows[0]), len(self._columns[0]))

    def copied(self) -> "Band":
        """Itself, without holding on to the scores of the whole picture."""
        self._near = self._near.copy()
        return self

    def upsampled(self, label: int) -> Floats:
        """(b, W), until the next call: fresh memory for every label would cost ten times the arithmetic."""
        wide = between(self._at_network_size(label), self._columns, 1, self._wide)
        return between(wide, self._rows, 0, self._full)

    def _at_network_size(self, label: int) -> Floats:
        """(h, w), until the next call."""
        self._double(label, self._doubled)
        return self._doubled[self._in_rows, self._in_columns]

    def _double(self, label: int, doubled: Floats) -> None:
        """Twice the scores that are near, of which the rows and columns at the sides may be wrong."""
        double(self._near[label].T, self._half_columns, self._half_wide.T)
        double(self._half_wide, self._half_rows, doubled)

    def bounds(self) -> tuple[Floats, Floats]:
        """The least and the greatest score of every label, (N,)."""
        return self._near.min((1, 2)), self._near.max((1, 2))

    def contenders(self, count: int) -> list[int]:
        """Labels that are not below enough others at every corner.

        Between its neighbours an interpolated logit lies between the least and the greatest. So a label whose greatest
        is below another's least loses there for certain. Of 150 labels on a photograph some 30 are left.
        """
        most, least = self._near.max(1), self._near.min(1)  # (N, w)
        last = most.shape[1] - 1
        right = [np.minimum(np.arange(last + 1) + step, last) for step in range(3)]  # a pixel lies between three
        most = np.max([most[:, step] for step in right], axis=0)
        least = np.min([least[:, step] for step in right], axis=0)
        return possible(least, most, count)

    def find_winner(self, index: Index) -> None:
        """Fills `index` (b, W), which must be contiguous, with the best label of every pixel."""
        labels = self.contenders(1)
        columns = self._columns[0] + self._in_columns.start, self._columns[1]
        fill_winner(index, self._all_doubled(labels), np.array(labels, np.intp), self._in_doubled(), columns)

    def confidence(self, greatest: float, series: Sequence[slice]) -> Floats:
        """The softmax of the winner, (b, W), of rows that are as wide as the picture.

        Args:
            greatest: of all scores.
            series: of the rows; none where the scores are too far apart for `winner_confidence`.
        """
        if not series:
            best = self.find_best(empty_index(self.labels, self._full[0][None].shape), self.contenders(1))[0]
            return np.reciprocal(self.sum_of_exp(best))
        step = max(1, BLOCK_FLOATS // len(self._columns[0]))
        some = (range(first, min(first + step, self.labels)) for first in range(0, self.labels, step))
        logits = (self._all_doubled(labels) - greatest for labels in some)
        return winner_confidence(logits, self._in_doubled(), series, len(self._columns[0]))

    def _all_doubled(self, labels: Sequence[int]) -> Floats:
        """(K, h, w) of some labels, in which `_in_doubled` says where the rows lie."""
        logits = np.empty((len(labels), *self._doubled.shape), np.float32)
        if self._near[0].size * len(labels) <= _TOGETHER_FLOATS:
            near = self._near[labels]
            half_wide = np.empty((*near.shape[:2], 2 * near.shape[2]), np.float32)
            double(near.transpose(2, 0, 1), self._half_columns, half_wide.transpose(2, 0, 1))
            double(half_wide.swapaxes(0, 1), self._half_rows, logits.swapaxes(0, 1))
            return logits
        for logit, label in zip(logits, labels, strict=True):
            self._double(label, logit)
        return logits

    def _in_doubled(self) -> Positions:
        return self._rows[0] + self._in_rows.start, self._rows[1]


def possible(least: Floats, most: Floats, count: int) -> list[int]:
    """Labels that can be among the `count` best at some place, by bounds (N, places) of their logits there."""
    rounding = 1e-5 * max(np.abs(least).max(), np.abs(most).max())
    bar = np.partition(least, -count, axis=0)[-count] - rounding
    return [int(label) for label in np.flatnonzero((most >= bar).any(1))]


def insert(best: Floats, index: Index, logit: Floats, label: int) -> None:
    """Puts a label, whose number is above all before, among the best of every pixel.

    Args:
        best: (K, b, W) logits, the greatest first; -inf where there is none yet.
        index: (K, b, W) their labels.
        logit: (b, W); overwritten.
        label: its number.
    """
    is_better = logit > best[0]
    if len(best) == 1:
        np.maximum(logit, best[0], out=best[0])
        update_winner(index[0], is_better, index.dtype.type(label))
        return
    number = np.full(logit.shape, label, index.dtype)
    for rank in range(len(best)):
        is_better = logit > best[rank]
        loser = np.minimum(logit, best[rank])
        np.maximum(logit, best[rank], out=best[rank])
        out = np.where(is_better, index[rank], number)
        np.copyto(index[rank], number, where=is_better)
        logit, number = loser, out


def _pair(height: int, width: int) -> tuple[Floats, Floats]:
    return np.empty((height, width), np.float32), np.empty((height, width), np.float32)
