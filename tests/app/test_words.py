"""Labels as they are typed on the page."""

from pathlib import Path

import pytest

from lseg_cli.app.words import MOST_LABELS, LabelText, Words
from lseg_cli.data.labels import parse_labels
from lseg_cli.errors import LsegError
from lseg_engines.description import text_encoder_of


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(text_encoder_of("lseg-tiny"))


def test_no_labels_are_a_sentence() -> None:
    with pytest.raises(LsegError, match="There are no labels yet"):
        LabelText().read(" , ")


def test_too_many_labels_are_a_sentence() -> None:
    text = ",".join(f"label {number}" for number in range(MOST_LABELS + 1))
    with pytest.raises(LsegError, match=f"These are {MOST_LABELS + 1} labels; the page takes up to {MOST_LABELS}"):
        LabelText().read(text)


def test_known_sets_are_labels() -> None:
    assert len(LabelText().read("ade20k")[0].labels) == 150


def test_no_file_is_read_or_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.txt").write_text("password\n", encoding="utf-8")
    Path("there").write_text("", encoding="utf-8")
    for text in ("@secret.txt", "secret.txt", f"sky, @{tmp_path / 'secret.txt'}", "a.safetensors", "@/etc/passwd"):
        with pytest.raises(LsegError, match="no files are read here"):
            LabelText().read(text)
    assert not any("file" in notice for notice in LabelText().read("sky, there")[1])


def test_a_file_of_the_command_line_is_what_it_was_there(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("sky\nroad=street|lane\n", encoding="utf-8")
    given = LabelText(f"@{path}")
    path.unlink()  # it was read once
    assert given.read(f"@{path}")[0].names == ("sky", "road")


def test_near_twins_are_told_at_both(words: Words) -> None:
    notices = words.notices(parse_labels("road, sky, street")[0])
    assert "'street'" in notices[0][0]
    assert notices[1] == []
    assert "'road'" in notices[2][0]


def test_words_that_are_spelled_out_are_told_where_they_stand(words: Words) -> None:
    notices = words.notices(parse_labels("sky, blorfwanter")[0])
    assert notices[0] == []
    assert "does not know 'blorfwanter'" in notices[1][0]


def test_a_label_has_the_vector_that_a_run_gives_it(words: Words) -> None:
    labels = parse_labels("sky, road=street|lane")[0]
    again = Words(text_encoder_of("lseg-tiny")).vectors(labels)
    words.vectors(parse_labels("road=street|lane, tree")[0])
    assert (words.vectors(labels) == again).all()
