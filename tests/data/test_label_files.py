"""Label files as other tools write them, and what people type where they mean one."""

import json
import os
import time
from pathlib import Path

import pytest

from lseg_cli.data.labels import LabelSet, parse_labels
from lseg_cli.errors import LsegError

COLORS = [(70, 130, 180), (107, 142, 35)]


def read(folder: Path, name: str, content: str | bytes, prefix: str = "@") -> LabelSet:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return parse_labels(f"{prefix}{path}")[0]


@pytest.mark.parametrize("text", ["labels.txt", "labels.txt,other", "@labels.txt", "LABELS.TXT"])
def test_the_at_sign_may_be_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("labels.txt", "LABELS.TXT"):
        Path(name).write_text("sky\nroad\n")
    assert parse_labels(text)[0].names == ("sky", "road", *(["other"] if "other" in text else []))


def test_a_word_that_is_a_file_too_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sky").touch()
    assert parse_labels("sky,road")[1] == [
        "'sky' is taken for a word, and a file of that name is here; write @sky to read labels from it."
    ]


def test_the_labelmap_of_cvat_has_names_and_colours(tmp_path: Path) -> None:
    labels = read(tmp_path, "labelmap.txt", "# label:color_rgb:parts:actions\nsky:70,130,180::\ntree:107,142,35::\n")
    assert labels.names == ("sky", "tree")
    assert [label.color for label in labels.labels] == COLORS
    assert read(tmp_path, "bare.txt", "sky:::\ntree:::wave,jump\n").names == ("sky", "tree")


def test_a_text_file_with_some_colons_is_words(tmp_path: Path) -> None:
    assert read(tmp_path, "labels.txt", "sky:1,2,3::\ntime: noon\n").names == ("sky:1,2,3::", "time: noon")


@pytest.mark.parametrize(
    ("content", "ids", "colors"),
    [
        ("id,name\n0,sky\n1,tree\n", (0, 1), [None, None]),
        ("Pixel Value; Class\n3;sky\n7;tree\n", (3, 7), [None, None]),
        ("name\tid\nsky\t1\ntree\t0\n", (1, 0), [None, None]),
        ("name,r,g,b\nsky,70,130,180\ntree,107,142,35\n", (0, 1), COLORS),
        ('name,color\nsky,"70,130,180"\ntree,#6b8e23\n', (0, 1), COLORS),
        ("0,sky\n1,tree\n", (0, 1), [None, None]),
        ("sky\ntree\n", (0, 1), [None, None]),
        ("label,area\nsky,5\ntree,6\n", (0, 1), [None, None]),
    ],
)
def test_tables(tmp_path: Path, content: str, ids: tuple[int, ...], colors: list[object]) -> None:
    for prefix in ("@", ""):
        labels = read(tmp_path, "classes.csv", content, prefix)
        assert labels.names == ("sky", "tree")
        assert labels.ids == ids
        assert [label.color for label in labels.labels] == colors


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b,c\n1,2,3\n", "does not say which column holds the labels"),
        ("id,name\n0,\n", "label 1: A label's name or prompt is empty"),
        ("id,name\nx,sky\n", "label 1: id is 'x'"),
        ("name,r,g,b\nsky,300,0,0\n", "label 1: color is [300, 0, 0]: write"),
        ("name,color\nsky,red\n", "label 1: color is '#red': write"),
        ("", "does not say"),
        ("id,name\n0,s\0ky\n", "labels"),
    ],
)
def test_a_table_of_something_else_is_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(LsegError, match=said.replace("[", r"\[")):
        read(tmp_path, "classes.csv", content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("id2label.json", '{"1": "road", "0": "sky"}'),
        ("config.json", '{"model_type": "segformer", "id2label": {"0": "sky", "1": "road"}, "label2id": {"sky": 0}}'),
        ("data.yaml", "path: coco8\ntrain: images\nnames:\n  0: sky\n  1: road\n"),
        ("data.yaml", "names: [sky, road]\nnc: 2\n"),
        ("lightly.yaml", "classes:\n  0: {name: sky, values: [0, 3]}\n  1: {name: road}\n"),
        ("dataset.yaml", "classes: [sky, road]\nignore: 255\n"),
        ("labels.json", '{"labels": [{"name": "sky"}, "road"]}'),
    ],
)
def test_what_other_tools_call_their_classes(tmp_path: Path, name: str, content: str) -> None:
    for prefix in ("@", ""):
        labels = read(tmp_path, name, content, prefix)
        assert labels.names == ("sky", "road")
        assert labels.ids == (0, 1)


def test_ids_of_a_mapping_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, "id2label.json", '{"7": "sky", "11": "road"}').ids == (7, 11)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["labels.txt", "labels.csv", "labels.json", "labels.yaml"])
def test_encodings(tmp_path: Path, encoding: str, name: str) -> None:
    words = ["Füße", "sky"]
    text = json.dumps(words, ensure_ascii=False) if name.endswith(("json", "yaml")) else "\n".join(words)
    assert read(tmp_path, name, text.encode(encoding)).names == tuple(words)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-32"])
def test_other_encodings_are_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(LsegError, match=r"not UTF-8 text|control character"):
        read(tmp_path, "labels.txt", "Füße\nsky".encode(encoding))


@pytest.mark.parametrize(
    "text", ["'sky','tree'", "'sky,tree'", '"sky","tree"', '"sky, tree"', " 'sky', 'tree' ", "\u201csky, tree\u201d"]
)
def test_quotes_that_a_shell_left_on_go(text: str) -> None:
    assert parse_labels(text)[0].names == ("sky", "tree")


def test_quotes_inside_stay() -> None:
    assert parse_labels(r"baker's shop,\'sky\',6' tall")[0].names == ("baker's shop", "'sky'", "6' tall")


@pytest.mark.parametrize(
    ("text", "said"), [("sky person", "commas"), ("sky;person", "add another"), ("sky", "add another")]
)
def test_one_label_that_may_be_several(text: str, said: str) -> None:
    labels, notices = parse_labels(text)
    assert labels.names == (text,)
    assert said in notices[-1]
    assert any("commas" in notice for notice in notices) == (text != "sky")


def test_another_separator_among_many_is_said() -> None:
    assert parse_labels("sky;person,road")[1] == ["'sky;person' is one label; separate labels with commas."]


@pytest.mark.parametrize("name", ["labels.txt", "labels.json", "labels.yaml", "labels.csv", "v.safetensors"])
def test_pipes_devices_and_folders_are_refused_at_once(tmp_path: Path, name: str) -> None:
    from lseg_cli.data.vocabulary import open_labels  # noqa: PLC0415  numpy

    os.mkfifo(tmp_path / name)
    with pytest.raises(LsegError, match="a named pipe, not a file"):
        open_labels(f"@{tmp_path / name}")
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(LsegError, match="a device, not a file"):
        open_labels(f"@{tmp_path / name}")
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(LsegError, match="a folder, not a file"):
        open_labels(f"@{tmp_path / name}")


def test_too_many_labels_are_one_sentence(tmp_path: Path) -> None:
    most = "\n".join(f"label {number}" for number in range(65_535))
    assert len(read(tmp_path, "most.txt", most).labels) == 65_535
    with pytest.raises(LsegError, match="more than 65,535 labels"):
        read(tmp_path, "more.txt", most + "\none more")


HOSTILE = {
    "nested.json": "[" * 100_000,
    "nested.yaml": "[" * 100_000,
    "blocks.yaml": "".join(" " * depth + "- \n" for depth in range(1_000)),
    "keys.json": '{"names": ' * 50_000,
    "digits.json": f'[{{"name": "sky", "id": {"9" * 5_000}}}]',
    "digits.yaml": f"- {{name: sky, id: {'9' * 5_000}}}",
    "digits.csv": f"id,name\n{'9' * 5_000},sky\n",
    "float.json": '[{"name": "sky", "id": 1e400}]',
    "line.txt": "sky " * 1_000_000,
    "synonyms.txt": "sky=" + "a|" * 60_000,
    "large.txt": "sky\n" * 25_000_000,
    "large.yaml": "- sky\n" * 1_000_000,
    "cell.csv": "name\n" + "x" * 200_000,
    "bomb.yaml": "a0: &a0 {x: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}]}}\n" for n in range(40)),
    "laughs.yaml": "a0: &a0 [lol]\n"
    + "".join(f"a{n + 1}: &a{n + 1} [{f'*a{n},' * 9}]\n" for n in range(30))
    + "names: *a30",
    "date.yaml": "- 2020-13-45",
    "tag.yaml": "- !!python/object/apply:os.system ['touch mark']",
    "cut.json": '["sky", "ro',
    "zeros.txt": "\0" * 1_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_label_files_are_one_sentence_in_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()
    with pytest.raises(LsegError) as caught:
        read(tmp_path, name, HOSTILE[name])
    assert time.monotonic() - start < 10
    assert len(str(caught.value)) < 600
    assert not Path("mark").exists()
