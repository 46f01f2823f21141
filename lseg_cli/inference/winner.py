"""The best label of every pixel between four logits of the network, where most pixels need no arithmetic.

A cell is what lies between four neighbouring logits. A label that is the best at all four corners is so in between; its
pixels are filled. In the other cells, on a photograph a few of a hundred, the labels that can win are interpolated and
compared, all cells at once. Element by element the arithmetic is that of `lseg_cli.inference.upsampling`.
"""

import numpy as np
from numpy.typing import NDArray

from lseg_cli.inference.interpolation import Floats, Positions

Index = NDArray[np.uint8] | NDArray[np.uint16]  # positions in a label set

_ROUNDING = 1e-5  # relative: what interpolation may be off
_CELLS = 1024  # at a time: their arrays stay in a core's cache, and are too small to be given back to the system


def fill_winner(index: Index, logits: Floats, labels: NDArray[np.intp], rows: Positions, columns: Positions) -> None:
    """Fills `index` with the label of the greatest interpolated logit, the lower one of equals.

    Args:
        index: (b, W) contiguous.
        logits: (K, h, w).
        labels: (K,) ascending, what `index` shall say for each of the K.
        rows: of the b rows among the h.
        columns: of the W columns among the w.
    """
    at_corners = _winner(logits)
    names = labels.astype(index.dtype)
    np.take(names.take(at_corners).take(columns[0], 1), rows[0], 0, out=index, mode="clip")
    down, right = _inner(rows), _inner(columns)
    positions = [(before[part], fraction[part]) for (before, fraction), part in ((rows, down), (columns, right))]
    mixed = np.nonzero(_differs_from_next(at_corners) & np.outer(*map(_has_pixels, positions, at_corners.shape)))
    for first in range(0, len(mixed[0]), _CELLS):
        some = slice(first, first + _CELLS)
        cells = _Cells(logits, mixed[0][some], mixed[1][some], *positions)
        for rank in range(int(cells.counts[0])):
            cells.compare(rank)
        index[down, right][cells.pixels()] = names.take(cells.winner)
    index[: down.start], index[down.stop :] = index[down.start], index[down.stop - 1]
    index[:, : right.start], index[:, right.stop :] = index[:, [right.start]], index[:, [right.stop - 1]]


def _winner(logits: Floats) -> NDArray[np.uint16]:
    """(K, h, w) -> (h, w), the lower one of equals; a tenth of the time of numpy's arg-max along the first axis."""
    winner = np.zeros(logits.shape[1:], np.uint16)
    best = logits[0].copy()
    for label, logit in enumerate(logits[1:], 1):
        update_winner(winner, logit > best, np.uint16(label))
        np.maximum(best, logit, out=best)
    return winner


def update_winner(winner: Index, is_better: NDArray[np.bool_], label: Index | np.uint8 | np.uint16) -> None:
    """Puts a label that is above all before where it is better; a masked copy would take up to twenty times as long."""
    np.maximum(winner, is_better * label, out=winner)


def _differs_from_next(at_corners: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """(h, w): whether the cell to the right of and below a corner has another winner at some corner."""
    differs = np.zeros(at_corners.shape, np.bool_)
    differs[:, :-1] |= at_corners[:, :-1] != at_corners[:, 1:]
    differs[:-1] |= differs[1:]
    differs[:-1] |= at_corners[:-1] != at_corners[1:]
    differs[:-1, :-1] |= at_corners[:-1, :-1] != at_corners[1:, 1:]
    return differs


def _inner(positions: Positions) -> slice:
    """Pixels without those at the picture's border that lie where the next one does, on the first or last logit."""
    before, fraction = positions
    moves = np.flatnonzero((np.diff(before) != 0) | (np.diff(fraction) != 0))
    return slice(int(moves[0]), int(moves[-1]) + 2) if len(moves) else slice(0, 1)


def _has_pixels(positions: Positions, cells: int) -> NDArray[np.bool_]:
    """(cells,) along a side."""
    has: NDArray[np.bool_] = np.bincount(positions[0], minlength=cells) > 0
    return has


class _Cells:
    """Some cells, those with most contenders first, all with room for as many pixels as the largest has.

    Attributes:
        counts: (M,) contenders of each.
        winner: (r, s, M) the best so far.
    """

    def __init__(
        self, logits: Floats, tops: NDArray[np.intp], lefts: NDArray[np.intp], rows: Positions, columns: Positions
    ) -> None:
        """`tops` and `lefts`: (M,) rows and columns of their upper left corners among `logits` (K, h, w)."""
        height, width = logits.shape[1:]
        below, beside = np.minimum(tops + 1, height - 1), np.minimum(lefts + 1, width - 1)
        flat = logits.reshape(len(logits), -1)
        corners = np.stack([flat.take(y * width + x, 1) for y in (tops, below) for x in (lefts, beside)])  # (4, K, M)
        bar = corners.min(0).max(0)
        can_win = corners.max(0) >= bar - _ROUNDING * np.abs(bar)
        counts = can_win.sum(0, dtype=np.uint16)
        order = np.argsort(np.iinfo(np.uint16).max - counts, kind="stable")
        self.counts = counts[order]
        self._contenders = np.nonzero(can_win.T[order])[1]  # of each cell in turn, ascending
        self._first = np.cumsum(self.counts, dtype=np.intp) - self.counts
        self._corners, self._order = corners, order
        self._y, self._down = _pixels(rows, tops[order])
        self._x, self._right = _pixels(columns, lefts[order])
        shape = (len(self._y), len(self._x), len(tops))
        self.winner = np.zeros(shape, np.uint16)
        self._best = np.full(shape, -np.inf, np.float32)

    def compare(self, rank: int) -> None:
        """The next contender of every cell that has so many, with the best so far."""
        some = int(np.count_nonzero(self.counts > rank))
        label = self._contenders[self._first[:some] + rank]
        upper_left, upper_right, lower_left, lower_right = self._corners[:, label, self._order[:some]]
        right, down = self._right[:, :some], self._down[:, None, :some]
        upper = (upper_right - upper_left) * right + upper_left
        lower = (lower_right - lower_left) * right + lower_left
        logit = (lower - upper) * down
        logit += upper
        best, winner = self._best[..., :some], self.winner[..., :some]
        update_winner(winner, logit > best, label.astype(np.uint16))
        np.maximum(best, logit, out=best)

    def pixels(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(r, 1, M) and (1, s, M), rows and columns of theirs."""
        return self._y[:, None], self._x[None]


def _pixels(positions: Positions, cells: NDArray[np.intp]) -> tuple[NDArray[np.intp], Floats]:
    """Pixels of each cell along a side: which (r, M), and how far into the cell they lie.

    A cell with fewer than r repeats its last one.
    """
    before, fraction = positions
    first, end = np.searchsorted(before, cells), np.searchsorted(before, cells, "right")
    which = np.minimum(first + np.arange(int((end - first).max()))[:, None], end - 1)
    return which, fraction[which]
