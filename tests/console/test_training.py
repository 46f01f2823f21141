"""What is said at the end of a training."""

from pathlib import Path

import pytest

from lseg_cli.config import DataRef
from lseg_cli.console.terminal import Console
from lseg_cli.console.training import show_training


def test_the_command_that_follows_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = tmp_path / "weights" / "best.safetensors"
    best.parent.mkdir()
    best.touch()
    for validation, place in (
        (DataRef(path="my/dataset.yaml", split="val"), "my/dataset.yaml"),
        (DataRef(path="ade20k", root="/data", split="val"), "ade20k:/data"),
    ):
        assert show_training([], Console(), tmp_path, validation)
        assert f"Next: lseg eval -m {best} --data {place} --split val\n" in capsys.readouterr().err
    assert show_training([], Console(), tmp_path)
    assert "Next" not in capsys.readouterr().err
