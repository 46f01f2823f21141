"""The softmax of every pixel's winner, at a fraction of the exponentials.

Between two rows of the network a label's logit grows by the same step from each row of the picture to the next, so its
exponential grows by the same factor: one multiplication a pixel instead of an interpolation and an exponential.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from lseg_cli.inference.interpolation import Floats, Positions

LARGEST_RANGE = 80.0  # of logits: exp(-80) is a float32 still. Cosines divided by 0.07 lie within 29
BLOCK_FLOATS = 2**15  # labels times pixels of a row that are looked at together: they stay in a core's cache


def winner_confidence(logits: Iterable[Floats], rows: Positions, series: Sequence[slice], width: int) -> Floats:
    """The greatest of the exponentials of all interpolated logits, divided by their sum.

    Args:
        logits: (n, h, w), some labels at a time, at most 0 and within `LARGEST_RANGE` of each other.
        rows: of the b rows among the h.
        series: of these rows, as `even_series` has them.
        width: W.

    Returns:
        (b, W)
    """
    above, down = rows
    best, total = np.zeros((2, len(above), width), np.float32)
    for some in logits:
        last = some.shape[1] - 1
        below, lower = -1, np.empty(0, np.float32)
        for part in series:
            row = above[part.start]
            upper = lower if row == below else _across(some[:, row], width)
            below = min(row + 1, last)
            lower = _across(some[:, below], width)
            step = lower - upper
            exponential = np.exp(upper + step * down[part.start])
            growth = np.exp(step * (down[part.stop - 1] - down[part.start]) / max(1, part.stop - 1 - part.start))
            for pixel in range(part.start, part.stop):
                total[pixel] += exponential.sum(0)
                np.maximum(best[pixel], exponential.max(0), out=best[pixel])
                exponential *= growth
    best /= total
    return best


def even_series(rows: Positions) -> list[slice]:
    """Rows between the same two of the network, evenly spaced: at the picture's border some lie on the same place."""
    above, down = rows
    moves, steps = np.diff(above) != 0, np.diff(down)
    usual = steps[~moves].max(initial=0.0)
    is_first = np.concatenate([[True], moves | (np.abs(steps - usual) > 1e-5)])
    starts = [int(start) for start in np.flatnonzero(is_first)]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(above)], strict=True)]


def in_bands(series: Iterable[slice], rows: int) -> list[tuple[slice, list[slice]]]:
    """Bands of so many rows or a few more, each with its series, counted from its first row.

    None of them is cut: the rest of a series would not give the same last bit.
    """
    bands, own = list[tuple[slice, list[slice]]](), list[slice]()
    top = bottom = 0
    for part in series:
        if bottom - top >= rows:
            bands.append((slice(top, bottom), own))
            top, own = bottom, []
        own.append(slice(part.start - top, part.stop - top))
        bottom = part.stop
    return [*bands, (slice(top, bottom), own)]


def _across(x: Floats, width: int) -> Floats:
    """Interpolates along rows, (n, w) -> (n, W)."""
    return np.asarray(cv2.resize(x, (width, len(x)), interpolation=cv2.INTER_LINEAR), np.float32)
