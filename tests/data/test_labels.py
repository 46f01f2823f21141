import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lseg_cli.data.label_files import SUFFIXES
from lseg_cli.data.labels import Label, LabelSet, fold, parse_labels
from lseg_cli.errors import LsegError

LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters=";\u3001\uff0c\u060c\uff1b")
NAMES = st.text(LETTERS, min_size=1, max_size=30).filter(
    lambda name: bool(name.strip()) and not name.strip().lower().endswith((*SUFFIXES, ".safetensors"))
)


def escape(name: str) -> str:
    return re.sub(r"([,=|@#'\"\\])", r"\\\1", name)


def expected(names: list[str]) -> list[str]:
    clean = [unicodedata.normalize("NFC", name.strip()) for name in names]
    first: dict[str, str] = {}
    for name in clean:
        first.setdefault(fold(name), name)
    return list(first.values())


@given(st.lists(NAMES, min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_escaped_names_come_back(names: list[str]) -> None:
    labels, notices = parse_labels(" , ".join(escape(name) for name in names))
    assert list(labels.names) == expected(names)
    assert labels.prompts == tuple((name,) for name in labels.names)
    assert labels.ids == tuple(range(len(labels.names)))
    assert len(notices) == len(names) - len(labels.names) + (len(labels.names) == 1)


@given(st.lists(NAMES, min_size=1, max_size=8))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_escaped_lines_of_a_file_come_back(tmp_path: Path, names: list[str]) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("\n".join(escape(name) for name in names), "utf-8")
    assert list(parse_labels(f"@{file}")[0].names) == expected(names)


@given(NAMES, st.lists(NAMES, min_size=1, max_size=4))
@settings(deadline=None, max_examples=50)
def test_synonyms_come_back(name: str, words: list[str]) -> None:
    labels, _ = parse_labels(f"{escape(name)} = {' | '.join(escape(word) for word in words)}")
    assert list(labels.names) == expected([name])
    assert list(labels.prompts[0]) == expected(words)


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=50)
def test_any_text_gives_labels_or_a_sentence(text: str) -> None:
    assume("@" not in text)
    try:
        labels, _ = parse_labels(text)
    except LsegError as error:
        assert str(error).endswith(".")  # noqa: PT017  either outcome is right
    else:
        assert labels.names


def test_order_is_kept_and_empties_are_dropped() -> None:
    labels, notices = parse_labels(" sky, road ,, other,")
    assert labels.names == ("sky", "road", "other")
    assert labels.ids == (0, 1, 2)
    assert notices == []


def test_duplicates_go_with_a_notice() -> None:
    labels, notices = parse_labels("Straße,sky,STRASSE,SKY")
    assert labels.names == ("Straße", "sky")
    assert [("STRASSE" in notices[0]), ("SKY" in notices[1])] == [True, True]


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert parse_labels("caf\u00e9,cafe\u0301,sky")[0].names == ("caf\u00e9", "sky")


def test_synonyms() -> None:
    labels, _ = parse_labels("road=road|street|asphalt, car|automobile, sky=, roof=roof||Roof")
    assert labels.names == ("road", "car", "sky", "roof")
    assert labels.prompts == (("road", "street", "asphalt"), ("car", "automobile"), ("sky",), ("roof",))


def test_single_label_is_noticed() -> None:
    _, notices = parse_labels("sky")
    assert len(notices) == 1
    assert "every pixel" in notices[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "No label"),
        (" , ,", "No label"),
        ("a=b=c", "cannot be read"),
        ("=sky", "cannot be read"),
        ("a|b=c", "cannot be read"),
        ("|", "cannot be read"),
        ("a\tb", "U+0009"),
        ("sky\nroad", "commas"),
        ("bad\udc80", "broken character"),
        ("x" * 201, "201 characters"),
        ("a=" + "x" * 300, "at most 200"),
        ("@nowhere.txt", "No such file"),
        ("nowhere.json", "No such file"),
        ("@", "cannot be read"),
        ("@~nobody-of-this-name/x.txt", "cannot be read"),
        ("@a\0b", "cannot be read"),
        ("words.safetensors", "not a list of labels"),
        ("labels.txt", "No such file"),
        ("classes.csv,other", "No such file"),
    ],
)
def test_mistakes_are_told(text: str, said: str) -> None:
    with pytest.raises(LsegError, match=re.escape(said)) as caught:
        parse_labels(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_text_file(tmp_path: Path, encoding: str, newline: str) -> None:
    file = tmp_path / "my, labels.txt"
    lines = ["# street scenes", "sky", "", "  road=road|street  # the drivable part", "c#", r"\# hash", "Füße"]
    file.write_bytes((newline.join(lines) + newline).encode(encoding))
    labels, notices = parse_labels("first, @" + str(file).replace(",", "\\,") + ", last")
    assert labels.names == ("first", "sky", "road", "c#", "# hash", "Füße", "last")
    assert labels.prompts[2] == ("road", "street")
    assert notices == []


def test_commas_in_a_line_of_a_file_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("sky, road\nother\nred\\, green\n")
    labels, notices = parse_labels(f"@{file}")
    assert labels.names == ("sky, road", "other", "red, green")
    assert len(notices) == 1
    assert "one label" in notices[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("sky\n@more.txt", "line 2: '@more.txt' names"),
        ("a=b=c", "line 1"),
        ("\n1\tsky", "U+0009"),
        ("# none", "No label"),
    ],
)
def test_mistakes_in_a_text_file_name_the_place(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_text(content)
    with pytest.raises(LsegError, match=re.escape(said)):
        parse_labels(f"@{file}")


def test_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes("sky\nFüße".encode("latin-1"))
    with pytest.raises(LsegError, match="UTF-8"):
        parse_labels(f"@{file}")


ITEMS = [
    "sky, blue",
    {"name": "road", "prompts": ["street", "asphalt"], "color": "#0a0Bff"},
    {"name": "other", "color": [1, 2, 3]},
]


@pytest.mark.parametrize("prefix", ["", "@"])
@pytest.mark.parametrize("suffix", [".json", ".yaml", ".YML"])
def test_structured_file(tmp_path: Path, prefix: str, suffix: str) -> None:
    file = tmp_path / f"labels{suffix}"
    file.write_text("\ufeff" + json.dumps(ITEMS), "utf-8")  # JSON is YAML
    labels, _ = parse_labels(f"{prefix}{file},tree")
    assert labels.names == ("sky, blue", "road", "other", "tree")
    assert labels.prompts[:2] == (("sky, blue",), ("street", "asphalt"))
    assert [label.color for label in labels.labels] == [None, (10, 11, 255), (1, 2, 3), None]


def write_yaml(folder: Path, text: str) -> Path:
    file = folder / "labels.yaml"
    file.write_text(text, "utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- [", "not valid YAML"),
        ("sky: 1", "holds a dict"),
        ("", "holds a NoneType"),
        ("- {name: sky, colour: red}", "label 1: the key 'colour' is not known"),
        ("- sky\n- {color: [1, 2, 3]}", "label 2: the key 'name' is missing"),
        ("- no", "label 1: name is False, not text"),
        ("- 1990", "not text; put it in quotes"),
        ("- {name: sky, prompts: blue}", "prompts is 'blue'"),
        ("- {name: sky, prompts: [1]}", "prompts is 1, not text"),
        ("- name: sky\n  color: #ff0000", "color is None: write '#rrggbb', with the quotes"),
        ("- {name: sky, color: red}", "color is 'red': write '#rrggbb'"),
        ("- {name: sky, color: [1, 2]}", "color is [1, 2]: write"),
        ("- {name: sky, color: [1, 2, true]}", "color is [1, 2, True]"),
        ("- {name: sky, color: [1, 2, 256]}", "of 0 to 255"),
        ("- {name: sky, id: '1'}", "id is '1'"),
        ("- {name: sky, id: true}", "id is True"),
        ("- {name: sky, id: -1}", "id is -1"),
        ("- {name: sky, id: 65535}", "less than 65535"),
        ("- {name: ''}", "label 1: A label's name or prompt is empty"),
        ("- {1: 2}", "label 1"),
        ("- {name: sky, id: 1}\n- {name: road, id: 1}", "The id 1 is given to more than one label"),
        ("- {name: sky, id: 1}\n- {name: road}", "'road' has none"),
        ("- {name: sky, id: 0}\n- {name: road, id: 255}", "255 means 'ignore'"),
    ],
)
def test_mistakes_in_a_structured_file_are_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(LsegError, match=re.escape(said)):
        parse_labels(str(write_yaml(tmp_path, text)))


def test_broken_json_is_told(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text("[" * 100_000)
    with pytest.raises(LsegError, match="not valid JSON"):
        parse_labels(str(file))


def test_given_ids_are_kept(tmp_path: Path) -> None:
    file = write_yaml(tmp_path, "- {name: sky, id: 23}\n- {name: road, id: 7}")
    labels, _ = parse_labels(str(file))
    assert labels.ids == (23, 7)
    assert labels.ignore_id == 255
    with pytest.raises(LsegError, match="'tree' has none"):
        parse_labels(f"{file},tree")


def test_255_is_an_id_only_in_a_16_bit_mask() -> None:
    assert LabelSet.of(str(number) for number in range(255)).ignore_id == 255
    assert LabelSet.of(str(number) for number in range(256)).ignore_id == 65535
    both = LabelSet(labels=(Label(name="a", id=255), Label(name="b", id=256)))
    assert both.ignore_id == 65535
    with pytest.raises(LsegError, match="255"):
        LabelSet(labels=(Label(name="a", id=255), Label(name="b", id=3)))


def test_digest_holds_all_that_decides_a_mask() -> None:
    sets = [
        parse_labels(text)[0]
        for text in ("sky,road", "road,sky", "sky,road=street", "sky,road=road|street", "sky\\,road", "sky,Road")
    ]
    moved = LabelSet(labels=(Label(name="sky", id=1), Label(name="road", id=0)))
    digests = {labels.digest() for labels in (*sets, moved)}
    assert len(digests) == 7
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    colored = LabelSet(labels=(Label(name="sky", id=0, color=(1, 2, 3)), Label(name="road", id=1)))
    assert colored.digest() == sets[0].digest()
