"""`--labels` as shells hand it over, through the command line."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lseg_cli.main import run


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", np.full((64, 96, 3), 120, np.uint8))
    Path("labels.txt").write_text("sky\ntree\n")


def segment(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        run(["segment", "a.png", "--imgsz", "64", *arguments])
    return int(end.value.code or 0)


def names() -> list[str]:
    return [label["name"] for label in json.loads(Path("out/labels.json").read_text())["labels"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-l", "labels.txt"], ["sky", "tree"]),
        (["-l", "labels.txt,other"], ["sky", "tree", "other"]),
        (["-l", "sky,road", "-l", "tree"], ["sky", "road", "tree"]),
        (["-l", "sky", "--labels", "labels.txt"], ["sky", "tree"]),
        (["-l", "'sky','tree'"], ["sky", "tree"]),
    ],
)
def test_labels_are_those_that_were_meant(arguments: list[str], expected: list[str]) -> None:
    assert segment(*arguments) == 0
    assert names() == expected


def test_a_variable_is_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSEG_SEGMENT_LABELS", "sky, traffic light")
    assert segment() == 0
    assert names() == ["sky", "traffic light"]


@pytest.mark.parametrize(
    "words", [["sky,", "road,", "tree"], ["sky,", "road"], ["'sky,", "road'"], ["sky", "road,tree,"]]
)
def test_forgotten_quotes_are_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert segment("-l", *words) == 2
    error = capsys.readouterr().err
    assert "put all of them in one pair of quotes" in error
    assert f'-l "{" ".join(words)}"'.replace("'", "") in error


def test_a_missing_picture_is_still_a_missing_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert segment("gone.png", "-l", "sky,road") == 2
    assert "There is no file or folder 'gone.png'" in capsys.readouterr().err


def test_words_that_the_encoder_cannot_read_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert segment("-l", "Himmelbett,Fahrradschloss,other") == 0
    assert "The text encoder does not know 'himmelbett', 'fahrradschloss'" in capsys.readouterr().err
