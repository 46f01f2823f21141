"""The best labels of every pixel, without holding all labels at the picture's size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lseg_cli.inference.upsampling import empty_index, upsample_best
from tests.inference.scores import at_once, smooth


@pytest.mark.parametrize("labels", [1, 2, 7, 150])
@pytest.mark.parametrize("size", [(97, 131), (32, 40), (20, 25), (300, 41), (1, 1)])
def test_the_winner_is_that_of_all_labels_at_full_size(labels: int, size: tuple[int, int]) -> None:
    scores = smooth(labels, 16, 20)
    expected, winner = at_once(scores, size).softmax(0).max(0)
    index, confidence = upsample_best(scores, size, 1, with_probability=True)
    assert index.shape == (1, *size)
    assert confidence is not None
    assert np.abs(confidence[0] - expected.float().numpy()).max() < 1e-5
    assert (index[0] != winner.numpy()).mean() < 1e-3  # where two labels are equal but for the last bit
    assert np.array_equal(upsample_best(scores, size, 1, with_probability=False)[0], index)


@settings(max_examples=40, deadline=None)
@given(
    labels=st.integers(1, 9),
    grid=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    band_px=st.integers(1, 40),
    threads=st.integers(1, 3),
    with_probability=st.booleans(),
    seed=st.integers(0, 9),
)
def test_bands_give_exactly_what_the_whole_gives(
    labels: int,
    grid: tuple[int, int],
    size: tuple[int, int],
    band_px: int,
    threads: int,
    with_probability: bool,
    seed: int,
) -> None:
    scores = np.random.default_rng(seed).standard_normal((labels, *grid)).astype(np.float32) * 4
    whole, confidence = upsample_best(scores, size, 1, with_probability, band_px=1000)
    bands, confidences = upsample_best(scores, size, 1, with_probability, threads, band_px)
    assert np.array_equal(whole, bands)
    assert (confidence is None) == (confidences is None) == (not with_probability)
    if confidence is not None and confidences is not None:
        assert np.array_equal(confidence, confidences)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_best_labels_are_the_greatest_in_order(count: int) -> None:
    scores = smooth(30, 16, 20)
    index, probability = upsample_best(scores, (70, 50), count, with_probability=True, threads=2)
    expected, order = at_once(scores, (70, 50)).softmax(0).topk(count, 0)
    assert (index != order.numpy()).mean() < 1e-3
    assert probability is not None
    assert np.abs(probability - expected.float().numpy()).max() < 1e-5


@pytest.mark.parametrize("with_probability", [True, False])
def test_equal_labels_give_the_lower_index(with_probability: bool) -> None:
    scores = np.repeat(smooth(3, 8, 8), 2, axis=0)
    index, confidence = upsample_best(scores, (50, 50), 1, with_probability)
    assert set(np.unique(index)) <= {0, 2, 4}
    if confidence is not None:
        assert confidence.max() <= 0.5


def test_confidence_is_left_out_when_not_asked_for() -> None:
    assert upsample_best(smooth(3, 8, 8), (20, 20), 1, with_probability=False)[1] is None


@pytest.mark.parametrize(("labels", "kind"), [(256, np.uint8), (257, np.uint16)])
def test_positions_take_as_few_bytes_as_they_can(labels: int, kind: type[np.generic]) -> None:
    assert empty_index(labels, (1, 2)).dtype == kind
