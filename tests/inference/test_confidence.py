"""The softmax of the winner, and its mean."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lseg_cli.inference.confidence import even_series, in_bands
from lseg_cli.inference.interpolation import positions_of
from lseg_cli.inference.upsampling import mean_confidence, upsample_best
from tests.inference.scores import at_once, smooth


@settings(max_examples=60, deadline=None)
@given(
    labels=st.integers(1, 40),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 200), st.integers(1, 90)),
    scale=st.sampled_from([0.1, 4.0, 9.0, 40.0]),
    seed=st.integers(0, 9),
)
@example(
    labels=2, grid=(1, 7), size=(1, 2), scale=0.1, seed=0
)  # pixels so far apart that the outer columns are in none
def test_the_confidence_is_the_softmax_of_the_winner(
    labels: int, grid: tuple[int, int], size: tuple[int, int], scale: float, seed: int
) -> None:
    scores = np.random.default_rng(seed).standard_normal((labels, *grid)).astype(np.float32) * np.float32(scale)
    confidence = upsample_best(scores, size, 1, with_probability=True)[1]
    assert confidence is not None
    expected = at_once(scores, size).softmax(0).amax(0).numpy()
    assert np.abs(confidence[0] - expected).max() < 2e-6 * max(1.0, scale)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4, 1e30])
def test_any_magnitude_is_safe(scale: float) -> None:
    _, confidence = upsample_best(smooth(9, 8, 8) * np.float32(scale), (60, 60), 1, with_probability=True)
    assert confidence is not None
    assert np.isfinite(confidence).all()
    assert confidence.min() >= 1 / 9 - 1e-5
    assert confidence.max() <= 1


def test_the_mean_confidence_is_that_of_the_scores() -> None:
    scores = smooth(7, 300, 20)
    expected = torch.from_numpy(scores).double().softmax(0).amax(0).mean()
    assert mean_confidence(scores) == pytest.approx(float(expected), abs=1e-6)


@given(points=st.integers(1, 40), rows=st.integers(1, 200), band=st.integers(1, 60))
def test_series_are_even_and_no_band_cuts_one(points: int, rows: int, band: int) -> None:
    above, down = positions_of(points, rows)
    series = even_series((above, down))
    assert [row for part in series for row in range(part.start, part.stop)] == list(range(rows))
    for part in series:
        assert len(set(above[part].tolist())) == 1
        steps = np.diff(down[part])
        assert np.ptp(steps) < 1e-5 if len(steps) else True
    bands = in_bands(series, band)
    assert [slice(rows.start + part.start, rows.start + part.stop) for rows, own in bands for part in own] == series
    assert all(rows.stop - rows.start >= band for rows, _ in bands[:-1])
