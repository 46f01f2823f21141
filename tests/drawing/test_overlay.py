"""A picture to look at."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.data.labels import LabelSet
from lseg_cli.drawing.overlay import _Entry as Entry
from lseg_cli.drawing.overlay import _legend, _percent, draw_overlay, tint

LABELS = LabelSet.of(["sky", "road", "other"])
COLORS = [(0, 0, 255), (0, 255, 0), (255, 0, 0)]


def scene(width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    ids = np.zeros((width * 3 // 4, width), np.uint8)
    ids[: width // 4] = 1
    ids[:, : width // 8] = 255
    return np.full((*ids.shape, 3), 100, np.uint8), ids


@pytest.mark.parametrize("width", [1, 32, 300, 1000])
def test_the_legend_hides_nothing(width: int) -> None:
    picture, ids = scene(max(width, 2))
    overlay = draw_overlay(picture, ids, LABELS, COLORS)
    assert overlay.width == max(width, 280)
    assert overlay.height > ids.shape[0] + 12
    left = (overlay.width - ids.shape[1]) // 2
    shown = np.asarray(overlay)[: ids.shape[0], left : left + ids.shape[1]]
    assert np.array_equal(shown, tint(picture, ids, LABELS, COLORS))
    legend = np.asarray(overlay)[ids.shape[0] :]
    assert (legend == COLORS[0]).all(axis=2).any()  # the box of a label that is present
    assert not (legend == COLORS[2]).all(axis=2).any()


def test_half_colour_half_photograph_and_nothing_where_no_label_is() -> None:
    picture, ids = scene(400)
    tinted = tint(picture, ids, LABELS, COLORS)
    assert tinted[200, 300].tolist() == [50, 50, 178]
    assert tinted[20, 300].tolist() == [50, 178, 50]
    assert tinted[200, 10].tolist() == [100, 100, 100]
    assert tinted[100, 300].min() > 190  # the line between two labels


def test_ids_above_255() -> None:
    labels = LabelSet.of([f"label {number}" for number in range(300)])
    ids = np.full((40, 400), 299, np.uint16)
    overlay = draw_overlay(
        np.zeros((40, 400, 3), np.uint8), ids, labels, [(200, 100, number % 256) for number in range(300)]
    )
    assert np.asarray(overlay)[20, 200].tolist() == [100, 50, 22]


def test_many_labels_and_long_names_stay_in_the_strip() -> None:
    entries = [Entry(f"a name that is much too long for any legend {number}", "1%", (9, 9, 9)) for number in range(400)]
    strip = _legend(entries, 300)
    assert strip.width == 300
    assert strip.height < 400
    assert (np.asarray(strip)[:, -6:] == 255).all()


def test_shares() -> None:
    assert [_percent(share) for share in (1, 0.416, 0.0416, 0.001)] == ["100%", "42%", "4.2%", "0.1%"]
