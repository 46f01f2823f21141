"""Interpolation along a line: right, and the same to the last bit however it is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lseg_cli.inference.interpolation import Floats, aligned, between, cut, double, halved, positions_of
from lseg_cli.model.decoder import upsample2_each


def memory(rows: int, columns: int) -> tuple[Floats, Floats]:
    return np.empty((rows, columns), np.float32), np.empty((rows, columns), np.float32)


@given(count=st.integers(1, 40), wanted=st.integers(1, 90), seed=st.integers(0, 9))
def test_points_between_are_those_of_pytorch(count: int, wanted: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32)
    found = between(
        x, positions_of(count, wanted), 0, (np.empty((wanted, 3), np.float32), np.empty((wanted, 3), np.float32))
    )
    line = torch.from_numpy(x.T.copy())[None]
    expected = torch.nn.functional.interpolate(line, size=wanted, mode="linear", align_corners=False)[0].T
    # Positions are float32 on both sides: at 40 they are 4e-6 apart, and neighbours differ by up to 6.
    assert np.abs(found - expected.numpy()).max() < 3e-5


@given(count=st.integers(2, 40), wanted=st.integers(2, 90), data=st.data())
def test_a_part_of_the_points_is_the_same_to_the_last_bit(count: int, wanted: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, wanted - 1))
    part = slice(first, data.draw(st.integers(first + 1, wanted)))
    x = np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32)
    positions = positions_of(count, wanted)
    whole = between(x, positions, 0, memory(wanted, 2))
    some, needed = cut(positions, part)
    rows = part.stop - part.start
    found = between(x[needed], some, 0, memory(rows, 2))
    assert np.array_equal(found, whole[part])


@pytest.mark.parametrize("count", [1, 2, 7])
def test_doubling_is_the_models(count: int) -> None:
    x = np.random.default_rng(0).standard_normal((count, 1)).astype(np.float32)
    doubled = np.empty((2 * count, 1), np.float32)
    double(x, aligned(count), doubled)
    expected = upsample2_each(torch.from_numpy(x)[None, None])[0, 0, :, :1]
    assert np.abs(doubled - expected.numpy()).max() < 1e-6


@given(count=st.integers(1, 30), data=st.data())
def test_some_of_the_doubled_points_need_few_of_the_others(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, 2 * count - 1))
    wanted = slice(first, data.draw(st.integers(first + 1, 2 * count)))
    x = np.random.default_rng(0).standard_normal((count, 1)).astype(np.float32)
    whole = np.empty((2 * count, 1), np.float32)
    double(x, aligned(count), whole)
    needed, fractions, where = halved(aligned(count), wanted)
    some = np.empty((2 * len(x[needed]), 1), np.float32)
    double(x[needed], fractions, some)
    assert needed.stop - needed.start <= (wanted.stop - wanted.start) // 2 + 2
    # The first and the last of a part are copied, which is right at the ends of the whole alone.
    inner = slice(int(needed.start > 0), len(some) - int(needed.stop < count))
    assert inner.start <= where.start
    assert where.stop <= inner.stop
    assert np.array_equal(some[where], whole[wanted])
