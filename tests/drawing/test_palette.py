import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lseg_cli.data.labels import Label, LabelSet, fold, parse_labels
from lseg_cli.data.vocabularies import NAMES
from lseg_cli.drawing.color_difference import Seen
from lseg_cli.drawing.palette import colors, png_palette, recolored
from lseg_cli.errors import LsegError

KNOWN = ["road", "street", "sky", "building", "person", "pedestrian", "people", "other", "others", "background", "void"]
WORDS = st.one_of(st.sampled_from(KNOWN), st.text("abcdefgh", min_size=1, max_size=6))


@given(st.lists(WORDS, min_size=1, max_size=40, unique_by=fold), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_colours_are_distinct_whatever_the_order(names: list[str], shuffler: random.Random) -> None:
    given_order = dict(zip(names, colors(LabelSet.of(names)), strict=True))
    other_order = shuffler.sample(names, len(names))
    assert dict(zip(other_order, colors(LabelSet.of(other_order)), strict=True)) == given_order
    assert len(set(given_order.values())) == len(names)
    assert (255, 255, 255) not in given_order.values()


def test_known_names_have_their_usual_colours() -> None:
    names = ["Road", "sky", "vegetation", "tree", "chest of drawers", "automobile"]
    assert colors(LabelSet.of(names)) == [
        (128, 64, 128),
        (70, 130, 180),
        (107, 142, 35),
        (4, 200, 3),
        (6, 51, 255),
        (0, 0, 142),
    ]


def test_what_is_nothing_in_particular_is_colourless() -> None:
    assert colors(LabelSet.of(["other", "background"])) == [(128, 128, 128), (0, 0, 0)]
    assert colors(LabelSet.of(["others"])) == [(138, 138, 138)]


def test_a_made_colour_never_changes() -> None:
    made = [colors(LabelSet.of([name]))[0] for name in ("zebra crossing", "Wombat")]
    assert made == [(95, 226, 113), (164, 184, 65)]


def least_difference(labels: LabelSet) -> float:
    """Of any two, over eyes that see all colours and eyes that do not tell red from green."""
    seen = Seen.of(np.array(colors(labels), np.uint8))
    differences = seen.differences(seen)
    np.fill_diagonal(differences, np.inf)
    return float(differences.min())


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("fss1000")])
def test_no_two_labels_of_a_bundled_vocabulary_look_alike(name: str) -> None:
    labels, _ = parse_labels(name)
    assert least_difference(labels) >= min(0.11, 0.49 / math.sqrt(len(labels.labels)))


@pytest.mark.parametrize("name", ["fss1000", "fss1000-official"])
def test_no_two_of_a_thousand_labels_have_the_same_colour(name: str) -> None:
    labels, _ = parse_labels(name)
    assert len(set(colors(labels))) == 1000


@pytest.mark.parametrize(
    "names", [["person", "animal", "flower"], ["building", "other"], ["vegetation", "person"], ["box", "refrigerator"]]
)
def test_labels_that_once_looked_alike_do_no_more(names: list[str]) -> None:
    old = {"person": "dc143c", "animal": "ff007a", "flower": "ff0000", "building": "464646", "other": "808080",
           "vegetation": "6b8e23", "box": "00ff14", "refrigerator": "14ff00"}  # fmt: skip
    before = tuple(
        Label(name=name, id=number, color=tuple(bytes.fromhex(old[name]))) for number, name in enumerate(names)
    )
    assert least_difference(LabelSet(labels=before)) < 0.11
    assert least_difference(LabelSet.of(names)) >= 0.11


def test_the_best_known_colours_stay_in_a_street() -> None:
    names = ["sky", "road", "building", "person", "car", "tree", "sidewalk", "traffic sign"]
    given = ["#{:02x}{:02x}{:02x}".format(*color) for color in colors(LabelSet.of(names))]
    assert given == ["#4682b4", "#804080", "#464646", "#dc143c", "#00008e", "#04c803", "#f423e8", "#dcdc00"]


def test_differences_are_those_of_oklab() -> None:
    white, black, red, green = (Seen.of(np.array([color], np.uint8)) for color in (
        (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0),
    ))  # fmt: skip
    assert red.views[0, 0].tolist() == pytest.approx([0.6280, 0.2249, 0.1258], abs=1e-3)  # Ottosson's own table
    assert white.differences(black)[0, 0] == pytest.approx(0.5, abs=1e-3)
    apart = np.linalg.norm(red.views - green.views, axis=-1)[:, 0]
    assert apart[1] < apart[0]  # without red cones the two are nearer
    assert apart[2] < apart[0]  # and without green ones


def test_made_colours_are_spread_and_visible() -> None:
    made = colors(LabelSet.of(f"thing {number}" for number in range(1500)))
    assert len(set(made)) == 1500
    assert min(max(color) for color in made) >= 140
    assert max(min(color) for color in made) <= 122
    leading = [color.index(max(color)) for color in made]
    assert all(400 < leading.count(channel) < 600 for channel in range(3))


def test_the_owner_of_a_colour_keeps_it() -> None:
    street, road = colors(LabelSet.of(["street", "road"]))
    assert road == (128, 64, 128)
    assert street != road


def test_given_colours_are_kept_and_others_move_away() -> None:
    labels = LabelSet(
        labels=(
            Label(name="sky", id=0),
            Label(name="roof", id=1, color=(70, 130, 180)),
            Label(name="wall", id=2, color=(70, 130, 180)),
        )
    )
    sky, roof, wall = colors(labels)
    assert (roof, wall) == ((70, 130, 180), (70, 130, 180))
    assert sky != roof


def test_labels_of_one_name_differ() -> None:
    labels = LabelSet(labels=tuple(Label(name="door", id=number) for number in range(3)))
    assert len(set(colors(labels))) == 3


def test_png_palette_is_indexed_by_id() -> None:
    labels = LabelSet(labels=(Label(name="sky", id=23), Label(name="road", id=7), Label(name="other", id=254)))
    palette = png_palette(labels)
    assert len(palette) == 768
    assert [tuple(palette[3 * one : 3 * one + 3]) for one in (23, 7, 254)] == colors(labels)
    assert tuple(palette[765:]) == (255, 255, 255)
    assert tuple(palette[:3]) == (0, 0, 0)


def test_a_16_bit_mask_has_no_palette() -> None:
    with pytest.raises(LsegError, match="16-bit"):
        png_palette(LabelSet.of(str(number) for number in range(256)))


def test_a_palette_that_names_what_is_no_label_is_said(tmp_path: Path) -> None:
    (tmp_path / "palette.yaml").write_text("sky: [1, 2, 3]\nraod: [4, 5, 6]\n")
    labels, notices = recolored(LabelSet.of(["sky", "road"]), str(tmp_path / "palette.yaml"))
    assert [label.color for label in labels.labels] == [(1, 2, 3), None]
    assert notices == [f"The palette {tmp_path / 'palette.yaml'} names words that are not labels: 'raod'."]
