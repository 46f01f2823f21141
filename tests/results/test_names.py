"""Every picture has a name of its own in the output, whatever stands beside it and in whatever order."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lseg_cli.data.finding import Source
from lseg_cli.results.kinds import FILES
from lseg_cli.results.names import output_names


def below(root: str, *names: str) -> list[Source]:
    return [Source(Path(root, name), Path(root), name) for name in names]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.jpg", "sub/a.jpg", "sub/b.png"], ["a", "sub/a", "sub/b"]),
        (["bus.jpg", "bus.png", "car.png"], ["bus.jpg", "bus.png", "car"]),
        (["Bus.jpg", "bus.png"], ["Bus.jpg", "bus.png"]),
        (["bus.JPG", "bus.jpg"], ["bus.JPG", "bus.jpg"]),
        (["bus.jpg", "bus.png", "bus.jpg.gif"], ["bus.jpg", "bus.png", "bus.jpg.gif"]),
        (["a.b.jpg", "a.b", "a.jpg"], ["a.b.jpg", "a.b", "a.jpg"]),
        (["M\u00fcnchen.jpg", "Mu\u0308nchen.png"], ["M\u00fcnchen.jpg", "Mu\u0308nchen.png"]),
        (["archive.tar.png", "no extension", ".hidden"], ["archive.tar", "no extension", ".hidden"]),
    ],
)
def test_stems_that_meet_keep_their_extensions(names: list[str], expected: list[str]) -> None:
    assert output_names(below("in", *names)) == expected


def test_the_order_does_not_matter() -> None:
    names = ["bus.jpg", "bus.png", "bus.jpg.gif", "Bus.tif", "a.jpg", "sub/bus.jpg", "sub/A.jpg", "sub/a.png"]
    expected = dict(zip(names, output_names(below("in", *names)), strict=True))
    for seed in range(10):
        shuffled = random.Random(seed).sample(names, len(names))
        assert dict(zip(shuffled, output_names(below("in", *shuffled)), strict=True)) == expected


@given(st.lists(st.from_regex(r"([abA]/)?[abA](\.[abA]){0,2}", fullmatch=True), unique_by=str.casefold))
def test_no_two_pictures_share_a_name(names: list[str]) -> None:
    found = output_names(below("in", *names))
    assert len({name.casefold() for name in found}) == len(names)


def test_several_roots_are_mirrored_below_the_folder_that_holds_them() -> None:
    sources = below("x/photos", "1.jpg") + below("y/photos", "1.jpg") + below("y/photos/deep", "2.jpg")
    assert output_names(sources) == ["x/photos/1", "y/photos/1", "y/photos/deep/2"]


def test_one_root_written_in_two_ways_is_one_root() -> None:
    assert output_names(below("in", "1.jpg") + below("./in/../in", "2.jpg")) == ["1", "2"]


def test_a_name_leaves_room_for_every_extension() -> None:
    """Of bytes, not of letters, undecodable ones too; two that differ at their end alone stay two."""
    names = [
        "n" * 250 + "1.png",
        "n" * 250 + "2.png",
        "\u9053" * 83 + ".png",
        "\udce9" * 251 + ".png",
        "n" * 243 + ".png",
    ]
    found = output_names(below("in", *names))
    assert len(set(found)) == len(names)
    for name in found:
        assert all(len(os.fsencode(f"{name}.{extension}")) <= 255 for _, extension in FILES.values())
    assert found[-1] == "n" * 243
    assert found[0] == output_names(below("in", names[0]))[0]
