"""`lseg schema events`: what commands really print with --json is what it describes, no more and no less."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from PIL import Image

from lseg_cli.console.events import events_schema
from tests.command_line import lseg


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Of the schema, closed: a property that it does not list is an error."""
    schema = events_schema()
    Draft202012Validator.check_schema(schema)
    for described in (*schema["anyOf"], *schema["$defs"].values()):
        if "properties" in described:
            described["additionalProperties"] = False
    return Draft202012Validator(schema, format_checker=FormatChecker())


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def check(events: list[dict[str, Any]], validator: Draft202012Validator) -> list[str]:
    for event in events:
        validator.validate(event)
    return [event["event"] for event in events]


@pytest.mark.usefixtures("model")
def test_segment_embed_and_relabel(validator: Draft202012Validator, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 48)).save("a.png")
    Path("b.png").write_text("no picture")
    labels = ("-l", "sky,road")
    assert lseg("segment", "a.png", "b.png", *labels, "--save", "overlay", "--json", "-q") == 3
    assert sorted({*check(printed(capsys), validator)}) == ["done", "end", "failed", "start"]
    assert lseg("segment", "a.png", "b.png", *labels, "--json", "-q") == 3
    assert "notice" in check(printed(capsys), validator)
    assert lseg("embed", "a.png", "--json", "-q") == 0
    assert check(printed(capsys), validator) == ["start", "done", "end"]
    assert lseg("relabel", "feats", *labels, "-o", "again", "--json", "-q") == 0
    assert check(printed(capsys), validator) == ["start", "done", "end"]
    assert lseg("segment", "a.png", *labels, "-o", "a.png", "--json", "-q") == 2
    assert check(printed(capsys), validator) == ["error", "end"]


def test_train(model: Path, mini: Path, validator: Draft202012Validator, capsys: pytest.CaptureFixture[str]) -> None:
    train = ("train", "-m", model, "--data", mini, "--val", mini, "--imgsz", "64", "-b", "2", "-j", "0", "-d", "cpu")
    assert lseg(*train, "--epochs", "1", "-o", "run", "--metrics", "train.prom", "--json", "-q") == 0
    events = printed(capsys)
    assert [kind for kind in check(events, validator) if kind != "notice"] == ["epoch", "end"]
    epoch = next(event for event in events if event["event"] == "epoch")
    text = Path("train.prom").read_text()
    assert f'lseg_train_miou{{command="train",out="{Path("run").resolve()}"}} {epoch["scores"]["mean_iou"]}' in text
    assert "lseg_train_step{" in text
    assert lseg(*train, "--epochs", "1", "-o", "run", "--json", "-q") == 2
    assert check(printed(capsys), validator) == ["error", "end"]


def test_what_is_wrong_is_refused(validator: Draft202012Validator) -> None:
    good = {"event": "notice", "time": "2026-11-30T12:00:00.000+00:00", "text": "x"}
    validator.validate(good)
    for bad in ({**good, "event": "other"}, {**good, "text": 1}, {**good, "more": 1}, {**good, "time": None}):
        with pytest.raises(ValidationError):
            validator.validate(bad)


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("schema", "events") == 0
    assert json.loads(capsys.readouterr().out) == events_schema()
    assert lseg("schema", "nonsense") == 2
    assert "nonsense" in capsys.readouterr().err
