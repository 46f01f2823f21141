"""Numbers become 8 bits by the range that they fill, and what is no data stays none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.data.values import is_transparency, scale

PLANE: NDArray[np.float64] = np.linspace(0, 1, 100 * 120).reshape(100, 120)


def spread(low: float, high: float, kind: str = "f4") -> NDArray[np.generic]:
    return (low + PLANE * (high - low)).astype(kind)


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (spread(280, 305), "280.025 to 304.975"),  # kelvins
        (spread(300, 2900), "302.6 to 2897.4"),  # metres
        (spread(0, 0.9), "0 to 1"),
        (spread(0, 0.12), "0.00012001 to 0.11988"),  # reflectances
        (spread(0, 200), "0 to 255"),
        (spread(0, 4000, "u2"), "0 to 4095"),  # a camera of 12 bits
        (spread(0, 900, "u2"), "0 to 1023"),
        (spread(0, 30000, "u2"), "0 to 65535"),  # a dark picture stays dark
        (np.stack([spread(100, 3160, "u2")] * 3, -1), "103 to 3156"),  # a satellite's colours
        (np.stack([spread(0, 50000, "u2")] * 3, -1), "0 to 65535"),
    ],
)
def test_the_range_is_that_of_photographs_or_of_the_values(values: NDArray[np.generic], note: str) -> None:
    scaled = scale(values)
    assert scaled.note == f"{note} as 0 to 255"
    assert scaled.valid is None
    assert scaled.pixels.max() > 100


def test_bits_that_a_file_names_decide() -> None:
    assert scale(spread(0, 900, "u2"), bits=12).note == "0 to 4095 as 0 to 255"


@pytest.mark.parametrize("odd", [-1, -20, 32000])
def test_one_odd_pixel_changes_nothing(odd: int) -> None:
    values = spread(84, 1625, "i2")
    changed = values.copy()
    changed[50, 60] = odd
    same = scale(values).pixels == scale(changed).pixels
    assert same.sum() == same.size - 1


@pytest.mark.parametrize("nodata", [-9999.0, -32768.0, -3.4028234663852886e38, 0.25])
def test_no_data_is_what_the_tag_says(nodata: float) -> None:
    values = spread(0.3, 0.9)
    values[:20, :20] = nodata
    scaled = scale(values, nodata)
    assert scaled.valid is not None
    assert (~scaled.valid).sum() == 400
    assert not scaled.valid[:20, :20].any()
    assert scaled.note.startswith("0 to 1 as")
    assert (scaled.pixels[20:] == scale(spread(0.3, 0.9)).pixels[20:]).all()


@pytest.mark.parametrize("mark", [-9999.0, -32768.0, -1e38, 1e38])
def test_usual_marks_are_no_data_without_a_tag(mark: float) -> None:
    values = spread(0, 0.9)
    values[:20, :20] = mark
    scaled = scale(values)
    assert scaled.valid is not None
    assert (~scaled.valid).sum() == 400


def test_depths_down_to_minus_9999_are_data() -> None:
    values = np.rint(spread(-9999, 5000))
    assert values.min() == -9999
    assert scale(values).valid is None


def test_what_is_no_number_is_no_data() -> None:
    values = spread(0, 0.9)
    values[0, 0], values[0, 1] = np.nan, np.inf
    assert np.argwhere(~np.asarray(scale(values).valid)).tolist() == [[0, 0], [0, 1]]


def test_a_picture_without_any_data_is_black() -> None:
    scaled = scale(np.full((4, 5), -9999, np.float32), -9999)
    assert scaled.valid is not None
    assert not scaled.valid.any()
    assert not scaled.pixels.any()


def test_near_infrared_is_not_transparency() -> None:
    random = np.random.default_rng(0)
    infrared = random.integers(0, 256, (50, 50), np.uint8)
    mask = np.full((50, 50), 255, np.uint8)
    mask[:, :30] = 0
    assert not is_transparency(infrared)
    assert is_transparency(mask)
    assert is_transparency(np.zeros((5, 5), np.uint8))
