"""Cut-outs: opaque inside, nothing outside, soft in between."""

import numpy as np
from numpy.typing import NDArray

from lseg_cli.drawing.cutout import cut_out

WANTED = np.array([False, True, True])


def scene(sharpness: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    """A picture of 60 x 200, label 0 left of label 1; how sure the network is falls off towards the border at 100."""
    column = np.arange(200) - 99.5
    right = 1 / (1 + np.exp(np.clip(-column / sharpness, -50, 50)))
    first = (column > 0).astype(np.uint8)
    best = np.stack([np.tile(first, (60, 1)), np.tile(1 - first, (60, 1))])
    probability = np.stack([np.maximum(right, 1 - right), np.minimum(right, 1 - right)]).astype(np.float32)
    picture = np.full((60, 200, 3), 77, np.uint8)
    return picture, best, np.tile(probability[:, None], (1, 60, 1))


def test_the_border_is_soft_and_all_else_is_there_or_gone() -> None:
    picture, best, probability = scene(2.0)
    rgba = cut_out(picture, best[0] == 1, best, probability, WANTED)
    opacity = rgba[30, :, 3].astype(int)
    assert (np.diff(opacity) >= 0).all()
    assert opacity[:97].max() == 0
    assert opacity[103:].min() == 255
    assert 60 < opacity[99] < 128 < opacity[100] < 195  # as sure as the network is there
    assert (rgba[..., :3][rgba[..., 3] > 0] == 77).all()
    assert not rgba[rgba[..., 3] == 0].any()


def test_a_sure_border_is_hard() -> None:
    picture, best, probability = scene(0.05)
    opacity = cut_out(picture, best[0] == 1, best, probability, WANTED)[..., 3]
    assert set(np.unique(opacity)) == {0, 255}


def test_between_two_wanted_labels_there_is_no_border() -> None:
    picture, best, probability = scene(2.0)
    rgba = cut_out(picture, np.ones((60, 200), bool), best, probability, np.array([True, True, False]))
    assert (rgba[..., 3] == 255).all()
    assert np.array_equal(rgba[..., :3], picture)


def test_without_a_wanted_label_nothing_is_left() -> None:
    picture, best, probability = scene(2.0)
    assert not cut_out(picture, np.zeros((60, 200), bool), best, probability, ~WANTED).any()


def test_pixels_that_the_mask_leaves_out_are_gone() -> None:
    picture, best, probability = scene(0.05)
    is_inside = best[0] == 1
    is_inside[20:40, 150:170] = False  # as --min-confidence does it
    opacity = cut_out(picture, is_inside, best, probability, WANTED)[..., 3]
    assert opacity[30, 160] == 0
    assert opacity[5, 160] == 255


def test_one_label_alone_has_no_second() -> None:
    picture = np.full((4, 4, 3), 9, np.uint8)
    only = np.zeros((1, 4, 4), np.uint8)
    rgba = cut_out(picture, np.ones((4, 4), bool), only, np.ones((1, 4, 4), np.float32), np.array([True]))
    assert (rgba[..., 3] == 255).all()
