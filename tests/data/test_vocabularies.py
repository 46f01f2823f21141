"""Label sets that come with the program: facts, checked where they can be counted."""

import re

import pytest

from lseg_cli.data.labels import parse_labels
from lseg_cli.data.vocabularies import FOLDER, NAMES, find_vocabulary


def each(name: str, count: int) -> list[tuple[str, int]]:
    return [(name, count), (f"{name}-official", count)]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("ade20k", 150),
        ("ade20k-official", 150),
        ("cityscapes", 19),
        *each("coco", 80),
        *each("fss1000", 1000),
        *each("pascal", 20),
    ],
)
def test_a_name_stands_for_its_labels(name: str, count: int) -> None:
    labels, notices = parse_labels(name)
    assert len(labels.labels) == count
    assert labels.ids == tuple(range(count))
    assert notices == []


def test_every_file_has_a_name_and_says_where_it_comes_from() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == sorted(NAMES)
    for name in NAMES:
        path = find_vocabulary(name)
        assert path is not None
        assert "# Source" in path.read_text(encoding="utf-8")


def test_the_official_names_of_ade20k_are_what_its_parser_left() -> None:
    """Of a name of several words the first, as in LSEG.md: `traffic light` -> `traffic`."""
    right, official = parse_labels("ade20k")[0], parse_labels("ade20k-official")[0]
    assert right.names == official.names
    assert list(official.prompts) == [(name.split()[0],) for name in right.names]
    changed = [name for name, prompts in zip(official.names, official.prompts, strict=True) if prompts != (name,)]
    assert len(changed) == 14
    assert {"traffic light", "swimming pool", "screen door"} <= set(changed)


def test_places_of_classes() -> None:
    assert [parse_labels("ade20k")[0].names[index] for index in (0, 1, 43, 136, 149)] == [
        "wall", "building", "signboard", "traffic light", "flag",
    ]  # fmt: skip
    assert [parse_labels("coco-official")[0].prompts[index] for index in (0, 9, 79)] == [
        ("person",), ("trafficlight",), ("toothbrush",),
    ]  # fmt: skip
    assert parse_labels("fss1000-official")[0].names[520] == "ab_wheel"
    assert parse_labels("pascal")[0].names[15] == "potted plant"


def test_sets_and_words_can_be_mixed() -> None:
    labels, _ = parse_labels("others, pascal")
    assert labels.names[:3] == ("others", "aeroplane", "bicycle")
    assert len(labels.labels) == 21


def test_a_name_can_be_said_as_a_word() -> None:
    assert parse_labels("pascal=pascal,other")[0].names == ("pascal", "other")
    assert find_vocabulary("pascals") is None


@pytest.mark.parametrize("name", ["coco", "pascal", "fss1000", "cityscapes"])
def test_sets_say_words_that_encoders_read(name: str) -> None:
    labels, _ = parse_labels(name)
    assert not [text for prompts in labels.prompts for text in prompts if re.search(r"[_0-9]", text)]
    glued = {"trafficlight", "tvmonitor", "pottedplant", "diningtable", "sportsball", "hairdrier", "coca_cola"}
    assert glued.isdisjoint(text for prompts in labels.prompts for text in prompts)


@pytest.mark.parametrize(("name", "count"), [("coco", 80), ("pascal", 20)])
def test_the_official_sets_have_the_same_names_in_the_same_order(name: str, count: int) -> None:
    assert parse_labels(name)[0].names == parse_labels(f"{name}-official")[0].names
    assert len(parse_labels(name)[0].names) == count


@pytest.mark.parametrize("text", ["ADE20K", "Cityscapes", "Pascal,other"])
def test_a_set_is_known_in_any_case(text: str) -> None:
    assert len(parse_labels(text)[0].labels) >= 19


@pytest.mark.parametrize(("text", "meant"), [("ade-20k", "ade20k"), ("cityscape", "cityscapes"), ("VOC2012", "pascal")])
def test_a_word_that_is_nearly_a_set_is_said(text: str, meant: str) -> None:
    labels, notices = parse_labels(f"{text},other")
    assert labels.names == (text, "other")
    assert notices == [f"'{text}' is taken for a word; the label set is called {meant}."]
