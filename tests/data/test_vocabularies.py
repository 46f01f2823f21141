"""Label sets that come with the program: facts, checked where they can be counted."""

import pytest

from lseg_cli.data.labels import parse_labels
from lseg_cli.data.vocabularies import FOLDER, NAMES, find_vocabulary


@pytest.mark.parametrize(
    ("name", "count"), [("ade20k", 150), ("ade20k-official", 150), ("coco", 80), ("fss1000", 1000), ("pascal", 20)]
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
    assert [parse_labels("coco")[0].prompts[index] for index in (0, 9, 79)] == [
        ("person",), ("trafficlight",), ("toothbrush",),
    ]  # fmt: skip
    assert parse_labels("fss1000")[0].names[520] == "ab_wheel"
    assert parse_labels("pascal")[0].names[15] == "potted plant"


def test_sets_and_words_can_be_mixed() -> None:
    labels, _ = parse_labels("others, pascal")
    assert labels.names[:3] == ("others", "aeroplane", "bicycle")
    assert len(labels.labels) == 21


def test_a_name_can_be_said_as_a_word() -> None:
    assert parse_labels("pascal=pascal,other")[0].names == ("pascal", "other")
    assert find_vocabulary("pascals") is None
