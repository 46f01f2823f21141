"""The best label between four logits, filled in where no other can win."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lseg_cli.inference.interpolation import positions_of
from lseg_cli.inference.upsampling import upsample_best
from lseg_cli.inference.winner import fill_winner, update_winner
from tests.inference.scores import at_once


@settings(max_examples=60, deadline=None)
@given(
    labels=st.integers(1, 12),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    digits=st.sampled_from([0, 1, 7]),
    seed=st.integers(0, 9),
)
def test_filling_cells_gives_what_comparing_every_pixel_gives(
    labels: int, grid: tuple[int, int], size: tuple[int, int], digits: int, seed: int
) -> None:
    """Few digits make many labels equal."""
    scores = np.random.default_rng(seed).standard_normal((labels, *grid)).round(digits).astype(np.float32)
    filled, _ = upsample_best(scores, size, 1, with_probability=False)
    compared = upsample_best(scores, size, min(2, labels), with_probability=False)[0][:1]
    logits = np.sort(at_once(scores, size).numpy(), axis=0)
    are_equal = np.zeros(size, np.bool_) if labels == 1 else logits[-1] - logits[-2] < 1e-5
    assert ((filled == compared) | are_equal).all()


def test_the_label_of_equal_corners_fills_a_cell_and_others_are_compared() -> None:
    """Two labels on three points: 7 wins on the left, 9 on the right; between them the line is where both are equal."""
    logits = np.array([[[4, 4, 0]], [[0, 0, 8]]], np.float32)
    index = np.empty((1, 12), np.uint8)
    fill_winner(index, logits, np.array([7, 9]), positions_of(1, 1), positions_of(3, 12))
    first, second = (np.interp(np.linspace(0.5, 11.5, 12) / 4 - 0.5, range(3), row) for row in ([4, 4, 0], [0, 0, 8]))
    assert index[0].tolist() == np.where(second > first, 9, 7).tolist()


def test_a_better_label_takes_the_place_of_a_lower_one_alone() -> None:
    winner = np.array([0, 2, 3], np.uint8)
    update_winner(winner, np.array([True, True, False]), np.uint8(5))
    assert winner.tolist() == [5, 5, 3]
