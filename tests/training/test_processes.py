"""Two processes that share a batch train as one process does: same losses, same model."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from lseg_cli.api.tasks import open_trainer
from lseg_cli.config import AugmentConfig, DataRef, LabelConfig, ModelConfig, OptimizerConfig, TrainConfig
from lseg_cli.errors import MissingError
from lseg_cli.model.text.word_table import WordTable
from lseg_cli.training.processes import open_accelerator

ROOT = Path(__file__).parents[2]
PLACES = os.pathsep.join(str(ROOT / folder) for folder in ("", "engines", "export"))


@pytest.fixture
def config(mini: Path, pyramid_config: ModelConfig) -> TrainConfig:
    """Each step is an epoch, whose loss is in results.csv; four pictures in two parts, labels that depend on them."""
    text = pyramid_config.text.model_copy(update={"width": WordTable.open().width})
    return TrainConfig(
        model=pyramid_config.model_copy(update={"text": text}),
        data=(DataRef(path=str(mini)),),
        validation=DataRef(path=str(mini), split="val"),
        epochs=5,
        steps_per_epoch=1,
        batch_size=2,
        accumulate=2,
        device="cpu",
        workers=0,
        balance=0.5,
        alignment=0.5,
        augment=AugmentConfig(base_px=96, scale=(0.8, 1.5), crop_px=64, jitter=0.3),
        labels=LabelConfig(subset=0.7, other=0.5, noise=0.2),
        optimizer=OptimizerConfig(learning_rate=1e-3, clip_norm=5),
    )


def losses(run: Path) -> list[float]:
    with (run / "results.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture
def one(config: TrainConfig, tmp_path: Path) -> Path:
    """The run of one process."""
    list(open_trainer(config, tmp_path / "one", resume=False).run())
    return tmp_path / "one"


@pytest.fixture
def half(config: TrainConfig, tmp_path: Path) -> Path:
    """The recipe of each of two."""
    recipe = tmp_path / "half.yaml"
    recipe.write_text(yaml.safe_dump(config.model_copy(update={"batch_size": 1}).model_dump(mode="json")))
    return recipe


def in_two(*command: object) -> str:
    """What two processes of a command print."""
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "lseg_cli",
    ]
    environment = {**os.environ, "PYTHONPATH": PLACES, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*launcher, *map(str, command)], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def assert_same(run: Path, other: Path) -> None:
    assert losses(run) == pytest.approx(losses(other), abs=1e-4)
    weights, others = (load_file(each / "weights" / "last.safetensors") for each in (run, other))
    for name, tensor in others.items():
        torch.testing.assert_close(weights[name], tensor, atol=1e-3, rtol=1e-3, msg=name)


@pytest.mark.slow
def test_two_processes_train_as_one(one: Path, half: Path, tmp_path: Path) -> None:
    assert in_two("train", "--config", half, "--out", tmp_path / "two", "-q") == ""
    assert_same(tmp_path / "two", one)


@pytest.mark.slow
def test_two_processes_go_through_a_sweep_together(one: Path, half: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("{recipe: half.yaml, variants: {fast: {optimizer.learning_rate: 0.1}, same: {}}}")
    said = in_two("sweep", sweep, "--out", tmp_path / "out", "-q").splitlines()
    assert [line.split()[0] for line in said] == ["variant", "fast", "same"]
    assert_same(tmp_path / "out" / "same" / "seed-0", one)


def test_one_process_in_the_place_of_several_is_told(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(MissingError, match=r"one process where several were asked for.*torchrun"):
        open_accelerator(config)
