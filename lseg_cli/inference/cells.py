"""The best label of every pixel between four logits of the network, where most pixels need no arithmetic.

A cell is what lies between four neighbouring logits. A label that is the best at all four corners is so in between; its
pixels are filled. In the other cells, on a photograph a few of a hundred, the labels that can win are interpolated and
compared, all cells at once. Element by element the arithmetic is that of `lseg_cli.inference.upsampling`.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Index = NDArray[np.uint8] | NDArray[np.uint16]  # positions in a label set
Places = tuple[NDArray[np.intp], Floats]  # of points on a line: behind which one, and how far behind it (0 to 1)

_ROUNDING = 1e-5  # relative: what interpolation may be off


def fill_winner(index: Index, logits: Floats, labels: NDArray[np.intp], rows: Places, columns: Places) -> None:
    """Fills `index` with the label of the greatest interpolated logit, the lower one of equals.

    Args:
        index: (b, W) contiguous.
        logits: (K, h, w).
        labels: (K,) ascending, what `index` shall say for each of the K.
        rows: of the b rows among the h.
        columns: of the W columns among the w.
    """
    at_corners = _winner(logits)
    labels = labels.astype(index.dtype)
    np.take(labels[at_corners].take(columns[0], 1), rows[0], 0, out=index, mode="clip")
    mixed = np.nonzero(_differs_from_next(at_corners) & np.outer(*map(_has_pixels, (rows, columns), at_corners.shape)))
    if not len(mixed[0]):
        return
    cells = _Cells(logits, mixed, rows, columns)
    for rank in range(int(cells.counts[0])):
        cells.compare(rank)
    index.reshape(-1)[cells.places(index.shape[1])] = labels[cells.winner]


def _winner(logits: Floats) -> NDArray[np.uint16]:
    """(K, h, w) -> (h, w), the lower one of equals; a tenth of the time of numpy's arg-max along the first axis."""
    winner = np.zeros(logits.shape[1:], np.uint16)
    best = logits[0].copy()
    for label, logit in enumerate(logits[1:], 1):
        np.copyto(winner, label, where=logit > best)
        np.maximum(best, logit, out=best)
    return winner


def _differs_from_next(at_corners: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """(h, w): whether the cell to the right of and below a corner has another winner at some corner."""
    differs = np.zeros(at_corners.shape, np.bool_)
    differs[:, :-1] |= at_corners[:, :-1] != at_corners[:, 1:]
    differs[:-1] |= differs[1:]
    differs[:-1] |= at_corners[:-1] != at_corners[1:]
    differs[:-1, :-1] |= at_corners[:-1, :-1] != at_corners[1:, 1:]
    return differs


def _has_pixels(places: Places, cells: int) -> NDArray[np.bool_]:
    """(cells,) along a side."""
    has: NDArray[np.bool_] = np.bincount(places[0], minlength=cells) > 0
    return has


class _Cells:
    """Some cells, those with most contenders first, all with room for as many pixels as the largest has.

    Attributes:
        counts: (M,) contenders of each.
        winner: (M, r, s) the best so far.
    """

    def __init__(self, logits: Floats, upper_left: tuple[NDArray[np.intp], ...], rows: Places, columns: Places) -> None:
        """`upper_left`: (M,) rows and columns of their upper left corners among `logits` (K, h, w)."""
        tops, lefts = upper_left
        height, width = logits.shape[1:]
        below, beside = np.minimum(tops + 1, height - 1), np.minimum(lefts + 1, width - 1)
        flat = logits.reshape(len(logits), -1)
        corners = np.stack([flat[:, y * width + x].T for y in (tops, below) for x in (lefts, beside)])  # (4, M, K)
        bar = corners.min(0).max(1, keepdims=True)
        can_win = corners.max(0) >= bar - _ROUNDING * np.abs(bar)
        counts = can_win.sum(1, dtype=np.uint16)
        order = np.argsort(np.iinfo(np.uint16).max - counts, kind="stable")
        self.counts = counts[order]
        self._contenders = np.nonzero(can_win[order])[1]  # of each cell in turn, ascending
        self._first = np.cumsum(self.counts, dtype=np.intp) - self.counts
        self._corners = corners[:, order]
        self._y, down = _pixels(rows, tops[order])
        self._x, self._right = _pixels(columns, lefts[order])
        self._down = down[:, :, None]
        shape = (len(tops), self._y.shape[1], self._x.shape[1])
        self.winner = np.zeros(shape, np.uint16)
        self._best = np.full(shape, -np.inf, np.float32)

    def compare(self, rank: int) -> None:
        """The next contender of every cell that has so many, with the best so far."""
        some = int(np.count_nonzero(self.counts > rank))
        label = self._contenders[self._first[:some] + rank]
        upper_left, upper_right, lower_left, lower_right = self._corners[:, np.arange(some), label][:, :, None]
        upper = (upper_right - upper_left) * self._right[:some] + upper_left
        lower = (lower_right - lower_left) * self._right[:some] + lower_left
        logit = (lower - upper)[:, None] * self._down[:some]
        logit += upper[:, None]
        np.copyto(self.winner[:some], label[:, None, None].astype(np.uint16), where=logit > self._best[:some])
        np.maximum(self._best[:some], logit, out=self._best[:some])

    def places(self, width: int) -> NDArray[np.intp]:
        """(M, r, s) where their pixels lie in rows of `width`."""
        return self._y[:, :, None] * width + self._x[:, None]


def _pixels(places: Places, cells: NDArray[np.intp]) -> tuple[NDArray[np.intp], Floats]:
    """Pixels of each cell along a side: which (M, r), and how far into the cell they lie.

    A cell with fewer than r repeats its last one.
    """
    before, fraction = places
    first, end = np.searchsorted(before, cells), np.searchsorted(before, cells, "right")
    which = np.minimum(first[:, None] + np.arange(int((end - first).max())), end[:, None] - 1)
    return which, fraction[which]
