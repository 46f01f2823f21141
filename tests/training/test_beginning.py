"""Where training begins, and what a run that goes on may change."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from lseg_cli.config import AugmentConfig, DataRef, ModelConfig, OptimizerConfig, TrainConfig
from lseg_cli.contract import TOWER_KEY
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.model.checkpoint import load_model, read_tensors, save_model, write_tensors
from lseg_cli.model.lseg import LSeg, build
from lseg_cli.training.beginning import begin, resumed_recipe
from lseg_cli.training.loop import Trainer
from lseg_cli.training.recipe import FINE_TUNING, load_recipe
from lseg_cli.training.reports import EpochReport
from lseg_engines.torch_engine import TorchEngine


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    rows = np.array([np.random.default_rng(list(text.encode())).normal(size=16) for text in texts], np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def trainer(config: TrainConfig, out: Path, resume: bool = False) -> Trainer:
    return Trainer(config, out, embed, lambda model: TorchEngine(model, "", device="cpu"), resume)


@pytest.fixture
def start(pyramid_config: ModelConfig, tmp_path: Path) -> Path:
    torch.manual_seed(7)
    save_model(build(pyramid_config), tmp_path / "start.safetensors")
    return tmp_path / "start.safetensors"


@pytest.fixture
def config(mini: Path, pyramid_config: ModelConfig, start: Path) -> TrainConfig:
    return TrainConfig(
        model=pyramid_config,
        start=str(start),
        data=(DataRef(path=str(mini)),),
        validation=DataRef(path=str(mini), split="val"),
        epochs=2,
        steps_per_epoch=2,
        batch_size=2,
        device="cpu",
        workers=0,
        loss_stride=2,
        augment=AugmentConfig(base_px=96, crop_px=64),
        optimizer=OptimizerConfig(name="adamw", learning_rate=1e-3),
    )


def tensors_of(model: LSeg, part: str) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items() if name.startswith(part)}


def test_training_begins_with_the_weights_of_a_model(config: TrainConfig, start: Path, tmp_path: Path) -> None:
    begun, source = trainer(config, tmp_path / "run").model, load_model(start)
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in begun.state_dict().items()
               if not name.endswith("num_batches_tracked"))  # fmt: skip


def test_a_frozen_encoder_stays_as_it_was_with_its_statistics(config: TrainConfig, tmp_path: Path) -> None:
    run = trainer(config.model_copy(update={"freeze": "encoder"}), tmp_path / "run")
    before, decoder = tensors_of(run.model, "encoder."), tensors_of(run.model, "decoder.")
    list(run.run())
    after = run.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert any(not torch.equal(tensor, after[name]) for name, tensor in decoder.items())


def test_statistics_can_stay_while_weights_are_trained(config: TrainConfig, tmp_path: Path) -> None:
    """Through a validation too, after which training goes on."""
    run = trainer(config.model_copy(update={"keep_statistics": True}), tmp_path / "run")
    before = tensors_of(run.model, "")
    list(run.run())
    moved = {name for name, tensor in run.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert any(name.startswith("encoder.") for name in moved)
    assert not [name for name in moved if "running_" in name]


def distance_moved(config: TrainConfig, out: Path) -> float:
    """Mean cosine distance of the embeddings of one picture from those of the start."""
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    run = trainer(config, out)
    before = run.model.eval().features(pixels).detach()
    list(run.run())
    after = run.model.eval().features(pixels).detach()
    return float((1 - torch.cosine_similarity(before, after, dim=1)).mean())


def test_keeping_stays_nearer_to_the_start(config: TrainConfig, tmp_path: Path) -> None:
    longer = config.model_copy(update={"epochs": 4, "freeze": "encoder"})
    free = distance_moved(longer, tmp_path / "free")
    kept = distance_moved(longer.model_copy(update={"keep": 20.0}), tmp_path / "kept")
    assert kept < free / 2


def test_the_average_is_what_is_saved_and_it_resumes_exactly(config: TrainConfig, tmp_path: Path) -> None:
    config = config.model_copy(update={"average": 0.5, "keep": 0.5})
    whole = trainer(config, tmp_path / "whole")
    list(whole.run())
    saved = load_model(tmp_path / "whole" / "weights" / "last.safetensors").state_dict()
    averaged = whole.judged.state_dict()
    names = [name for name in saved if not name.endswith("num_batches_tracked")]
    assert all(torch.equal(saved[name], averaged[name]) for name in names)
    assert any(not torch.equal(saved[name], whole.model.state_dict()[name]) for name in names)
    list(trainer(config, tmp_path / "parts").run(lambda: True))  # one step
    list(trainer(config, tmp_path / "parts", resume=True).run())
    for name in ("state", "weights/last"):
        ours, theirs = (read_tensors(tmp_path / run / f"{name}.safetensors")[0] for run in ("whole", "parts"))
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())


def test_more_epochs_than_before_are_possible(config: TrainConfig, tmp_path: Path) -> None:
    list(trainer(config, tmp_path / "run").run())
    longer = resumed_recipe(tmp_path / "run", {"epochs": 3, "batch_size": None})
    reports = [each for each in trainer(longer, tmp_path / "run", resume=True).run() if isinstance(each, EpochReport)]
    assert [report.epoch for report in reports] == [3]
    with pytest.raises(MismatchError, match="in epochs, seed"):
        trainer(longer.model_copy(update={"epochs": 2, "seed": 5}), tmp_path / "run", resume=True)


def test_training_ends_when_nothing_is_gained(config: TrainConfig, tmp_path: Path) -> None:
    still = config.model_copy(
        update={"epochs": 9, "patience": 2, "freeze": "encoder", "optimizer": OptimizerConfig(learning_rate=1e-12)}
    )
    reports = [each for each in trainer(still, tmp_path / "run").run() if isinstance(each, EpochReport)]
    assert len(reports) < 9
    assert [report.has_settled for report in reports] == [False] * (len(reports) - 1) + [True]


def test_a_text_encoder_in_the_start_goes_into_what_is_saved(config: TrainConfig, start: Path, tmp_path: Path) -> None:
    tensors, metadata = read_tensors(start)
    write_tensors({**tensors, "text.a": torch.ones(2)}, {**metadata, TOWER_KEY: "hash"}, start)
    list(trainer(config, tmp_path / "run").run())
    saved, found = read_tensors(tmp_path / "run" / "weights" / "best.safetensors")
    assert torch.equal(saved["text.a"], torch.ones(2))
    assert found[TOWER_KEY] == "hash"


def test_begin_takes_the_shape_and_the_defaults_of_fine_tuning(start: Path, pyramid_config: ModelConfig) -> None:
    keys, note = begin(None, str(start), False, Path)
    assert keys["start"] == str(start)
    assert ModelConfig.model_validate(keys["model"]) == pyramid_config
    assert "all its weights are taken over" in note
    flags: dict[str, object] = {"data": [DataRef(path="x")], "optimizer.learning_rate": 0.5, "epochs": None}
    recipe = load_recipe(None, flags, keys)
    assert recipe.optimizer.learning_rate == 0.5
    assert recipe.optimizer.name == "adamw"
    assert recipe.epochs == FINE_TUNING["epochs"]
    assert (recipe.freeze, recipe.keep_statistics, recipe.optimizer.head_factor) == ("encoder", True, 1.0)


def test_a_preset_begins_with_random_weights() -> None:
    def find(name: str) -> Path:
        raise LsegError(f"no {name}")

    assert begin(None, "lseg-vitl16", False, find)[0] == {"model": "lseg-vitl16"}
    assert begin(None, "lseg-tiny", True, Path) == ({"model": "lseg-tiny"}, "")
    with pytest.raises(LsegError, match="no nonsense"):
        begin(None, "nonsense", False, find)


def test_a_run_that_is_not_there_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training run to resume"):
        resumed_recipe(tmp_path, {})


@pytest.mark.parametrize("keys", [{"keep": 1.0, "start": ""}, {"encoder_weights": "timm"}, {"patience": 1}])
def test_what_does_not_go_together_is_refused(keys: dict[str, object], config: TrainConfig) -> None:
    update = {"validation": None} if "patience" in keys else {}
    with pytest.raises(ValidationError):
        TrainConfig.model_validate({**config.model_dump(), **update, **keys})
