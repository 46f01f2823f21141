"""Bilinear interpolation whose last bit does not depend on how a matrix is cut, along one side at a time."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Positions = tuple[NDArray[np.intp], Floats]  # of points on a line: behind which one, and how far behind it (0 to 1)


def cut(positions: Positions, wanted: slice) -> tuple[Positions, slice]:
    """Some of the positions, counted from the first point they need, and the points they need."""
    before, fraction = positions[0][wanted], positions[1][wanted]
    return (before - before[0], fraction), slice(int(before[0]), int(before[-1]) + 2)


def halved(fractions: Floats, wanted: slice) -> tuple[slice, Floats, slice]:
    """Points between which some of twice as many lie, the fractions of all between those, and where the wanted are."""
    stop = min(wanted.stop, len(fractions))
    first, last = max(0, (wanted.start - 1) // 2), min(stop // 2, len(fractions) // 2 - 1)
    where = slice(wanted.start - 2 * first, stop - 2 * first)
    return slice(first, last + 1), fractions[2 * first : 2 * last + 2], where


def positions_of(count: int, wanted: int) -> Positions:
    """Where `wanted` points lie on a line of `count`: behind which one (wanted,), and how far behind it (0 to 1)."""
    position = ((np.arange(wanted) + 0.5) * (count / wanted) - 0.5).clip(0, count - 1)
    before = position.astype(np.intp)
    return before, (position - before).astype(np.float32)


def aligned(count: int) -> Floats:
    """(2 count,) how far behind one of `count` points lie twice as many, the first on the first, the last on the last.

    Every other one lies before the point of half its number, the others behind it.
    """
    position = np.arange(2 * count) * ((count - 1) / (2 * count - 1))
    fractions: Floats = (position - position.astype(np.intp)).astype(np.float32)
    return fractions


def aligned_positions(count: int) -> Positions:
    """(2 count,) where twice as many points lie: the cell between two of them, never the last one, and how far in."""
    position = np.arange(2 * count) * ((count - 1) / (2 * count - 1))
    cell = np.minimum(position.astype(np.intp), max(0, count - 2))
    return cell, (position - cell).astype(np.float32)


def upsample2(maps: Floats) -> Floats:
    """(K, h, w) -> (K, 2h, 2w), bilinear with the corners on the corners, as the model doubles."""
    for axis in (1, 2):
        cell, fraction = aligned_positions(maps.shape[axis])
        start, step = maps, np.diff(maps, axis=axis)
        weights = fraction[:, None] if axis == 1 else fraction
        maps = np.take(start, cell, axis) + np.take(step, cell, axis) * weights
    return maps


def double(x: Floats, fraction: Floats, doubled: Floats) -> None:
    """Interpolates along the first axis, (n, …) -> (2 n, …); the first and the last are copied. As exact as `between`.

    Two new points lie between every two, so steps are computed once, and nothing is gathered.
    """
    start, step = x[:-1], x[1:] - x[:-1]
    fraction = fraction.reshape(-1, *[1] * (x.ndim - 1))
    for first in (1, 2):
        values = doubled[first : 2 * len(start) + first : 2]
        np.multiply(step, fraction[first : 2 * len(start) + first : 2], out=values)
        values += start
    doubled[0], doubled[-1] = x[0], x[-1]


def between(x: Floats, positions: Positions, axis: Literal[0, 1], memory: tuple[Floats, Floats]) -> Floats:
    """Interpolates a matrix along an axis; only sums and products of single elements, so exact in any cutting.

    Args:
        x: (r, w).
        positions: along the axis.
        axis: of `x`.
        memory: twice (r', w'), the size of the result; overwritten.

    Returns:
        (r', w'), the first part of `memory`.
    """
    before, fraction = positions
    values, start = memory
    step = np.diff(x, axis=axis, append=x.take([-1], axis=axis))
    np.take(step, before, axis, out=values, mode="clip")  # with the default mode numpy would copy
    np.take(x, before, axis, out=start, mode="clip")
    values *= fraction if axis == 1 else fraction[:, None]
    values += start
    return values
