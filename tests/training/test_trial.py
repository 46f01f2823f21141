from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lseg_cli.config import AugmentConfig, DataRef, ModelConfig, TrainConfig
from lseg_cli.errors import DataError, MissingError
from lseg_cli.training.trial import try_out
from tests.command_line import lseg
from tests.training.test_loop import embed, make_engine


@pytest.fixture
def config(mini: Path, pyramid_config: ModelConfig) -> TrainConfig:
    return TrainConfig(
        model=pyramid_config,
        data=(DataRef(path=str(mini)),),
        validation=DataRef(path=str(mini), split="val"),
        epochs=6,
        validate_every=4,
        batch_size=1,
        accumulate=2,
        device="cpu",
        workers=0,
        augment=AugmentConfig(base_px=96, crop_px=64),
    )


def test_a_trial_tells_what_the_run_would_take(config: TrainConfig) -> None:
    trial = try_out(config, embed, make_engine)
    assert (trial.pictures, trial.pictures_per_step, trial.steps) == (4, 2, 12)
    assert trial.parameters > 50_000
    assert trial.total_s == pytest.approx(12 * trial.step_s + trial.validation_s)
    assert trial.validation_s > 0
    assert trial.host_mib is None or trial.host_mib > 100
    assert (trial.device_mib, trial.notes) == (None, ())
    bare = try_out(config.model_copy(update={"validation": None, "steps_per_epoch": 1}), embed, make_engine)
    assert (bare.steps, bare.validation_s) == (6, 0)


def test_weights_that_are_not_here_are_random_and_that_is_said(config: TrainConfig) -> None:
    def missing(texts: Sequence[str]) -> Any:
        raise MissingError("The tower is elsewhere.")

    trial = try_out(config.model_copy(update={"encoder_weights": "timm"}), missing, make_engine)
    assert trial.notes == (
        "The encoder's weights are random here; a run fetches timm's.",
        "The labels' embeddings are random here. The tower is elsewhere.",
    )


def test_a_trial_finds_what_is_wrong(config: TrainConfig, mini: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        try_out(config.model_copy(update={"encoder_weights": "none.safetensors"}), embed, make_engine)
    Image.fromarray(np.full((64, 96), 3, np.uint8)).save(mini.parent / "masks" / "val" / "4.png")
    with pytest.raises(DataError, match=r"val/4\.png holds id 3"):
        try_out(config, embed, make_engine)


def test_a_dry_run_prints_and_writes_nothing(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    arguments = ["train", "--data", str(mini), "--val", str(mini), "--imgsz", "64", "-b", "1", "-j", "0", "--dry-run"]
    for more, shown in (([], "steps "), (["--json", "--set", "accumulate=2"], '"steps": 2')):
        assert lseg(*arguments, *more) == 0
        assert shown in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before
