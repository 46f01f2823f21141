import csv
import os
from pathlib import Path

import pytest
import torch

from lseg_cli.config import DataRef, ModelConfig, OptimizerConfig, TrainConfig
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.model import load
from lseg_cli.model.checkpoint import write_tensors
from lseg_cli.model.lseg import LSeg, build
from lseg_cli.training.optim import build_optimizer
from lseg_cli.training.state import RunFolder

CONFIG = TrainConfig(data=(DataRef(path="mini/dataset.yaml", weight=0.1),), epochs=3)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.start(CONFIG, resume=False)
    return folder


def trained(config: ModelConfig, name: str, steps: int = 2, seed: int = 0) -> tuple[LSeg, torch.optim.Optimizer]:
    """A model in the memory format of training, and its optimiser after some steps."""
    torch.manual_seed(seed)
    model = build(config).train().to(memory_format=torch.channels_last)
    optimizer = build_optimizer(model, OptimizerConfig.model_validate({"name": name}))
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        pixels, text = torch.randn(2, 3, 64, 64, generator=generator), torch.randn(3, 16, generator=generator)
        model(pixels, text).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_there_and_back_is_exact(folder: RunFolder, pyramid_config: ModelConfig, name: str) -> None:
    model, optimizer = trained(pyramid_config, name)
    folder.save(model, optimizer, step=2, best_miou=0.1 + 0.2)
    again, its_optimizer = trained(pyramid_config, name, steps=0, seed=1)
    assert folder.load(again, its_optimizer) == (2, 0.1 + 0.2)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.stride() == other.stride()
        assert optimizer.state[one].keys() == its_optimizer.state[other].keys()
        for key, value in optimizer.state[one].items():
            assert torch.equal(value, its_optimizer.state[other][key])
            assert value.device == its_optimizer.state[other][key].device
    assert all(
        torch.equal(value, again.state_dict()[key])
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    )


def test_no_best_yet_survives(folder: RunFolder, pyramid_config: ModelConfig) -> None:
    model, optimizer = trained(pyramid_config, "sgd", steps=0)
    folder.save(model, optimizer, 0, -torch.inf)
    assert folder.load(model, optimizer) == (0, -torch.inf)


def test_the_last_model_is_ready_for_use(folder: RunFolder, pyramid_config: ModelConfig) -> None:
    model, optimizer = trained(pyramid_config, "sgd")
    folder.save(model, optimizer, 2, 0.5)
    last = load(folder.last)
    assert last.config == pyramid_config
    assert all(torch.equal(a, b) for a, b in zip(last.parameters(), model.parameters(), strict=True))


def test_the_recipe_is_written_down(folder: RunFolder) -> None:
    assert TrainConfig.model_validate_json((folder.path / "config.json").read_text()) == CONFIG


def test_a_run_is_resumed_with_its_recipe_alone(folder: RunFolder) -> None:
    folder.state_file.touch()
    folder.start(CONFIG, resume=True)
    other = OptimizerConfig(learning_rate=0.1)
    for change, keys in (
        ({"batch_size": 4}, "batch_size"),
        ({"seed": 1, "optimizer": other}, "seed, optimizer.learning_rate"),
    ):
        with pytest.raises(MismatchError, match=rf"config\.json differs from the recipe given now in {keys}:"):
            folder.start(CONFIG.model_copy(update=change), resume=True)
    folder.start(CONFIG, resume=True)  # a refusal has changed nothing


def test_without_a_state_there_is_nothing_to_resume(folder: RunFolder, tmp_path: Path) -> None:
    for path in (folder.path, tmp_path / "none"):
        with pytest.raises(DataError, match=r"no training run to resume: state\.safetensors is missing"):
            RunFolder(path).start(CONFIG, resume=True)


@pytest.mark.parametrize("text", [None, "", "{", "{}"])
def test_a_run_whose_recipe_is_damaged_is_not_resumed(folder: RunFolder, text: str | None) -> None:
    folder.state_file.touch()
    recipe = folder.path / "config.json"
    recipe.unlink()
    if text is not None:
        recipe.write_text(text)
    with pytest.raises(DataError, match=r"config\.json, cannot be read"):
        folder.start(CONFIG, resume=True)


def test_a_run_is_not_started_over(folder: RunFolder) -> None:
    folder.start(CONFIG, resume=False)  # before the first state there is nothing to lose
    folder.state_file.touch()
    with pytest.raises(LsegError, match="holds a training run already: go on with --resume, or choose another --out"):
        folder.start(CONFIG, resume=False)


def test_a_folder_has_one_process(folder: RunFolder) -> None:
    other = RunFolder(folder.path)
    with pytest.raises(LsegError, match="Another process is training in"):
        other.start(CONFIG, resume=False)
    RunFolder(folder.path, processes=2, is_main=False).start(CONFIG, resume=False)  # of the same run
    folder.leave()
    other.start(CONFIG, resume=False)
    other.leave()


def test_a_run_is_resumed_by_as_many_processes(folder: RunFolder, pyramid_config: ModelConfig) -> None:
    model, optimizer = trained(pyramid_config, "sgd", steps=0)
    folder.save(model, optimizer, 1, 0.5)
    with pytest.raises(MismatchError, match="has 1 processes, and it is resumed by 2"):
        RunFolder(folder.path, processes=2).load(model, optimizer)


def test_a_damaged_state_is_told(folder: RunFolder, pyramid_config: ModelConfig) -> None:
    model, optimizer = trained(pyramid_config, "sgd", steps=0)
    folder.save(model, optimizer, 1, 0.5)
    folder.state_file.write_bytes(folder.state_file.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"state\.safetensors is not a whole"):
        folder.load(model, optimizer)


def lines(folder: RunFolder) -> list[tuple[str, str]]:
    with folder.results.open(newline="") as file:
        return [(row["epoch"], row["miou"]) for row in csv.DictReader(file)]


def test_every_epoch_has_a_line(folder: RunFolder) -> None:
    for epoch in range(1, 12):
        folder.record([{"epoch": epoch, "miou": f"0.{epoch}"}])
    assert lines(folder) == [(str(epoch), f"0.{epoch}") for epoch in range(1, 12)]
    assert sorted(path.name for path in folder.path.iterdir()) == [".lock", "config.json", "results.csv"]


def test_epochs_that_are_run_again_replace_their_lines(folder: RunFolder) -> None:
    for epoch in (1, 2, 3):
        folder.record([{"epoch": epoch, "miou": "old"}])
    folder.record([{"epoch": 2, "miou": "new"}])
    assert lines(folder) == [("1", "old"), ("2", "new")]


@pytest.mark.parametrize("name", ["state.safetensors", "results.csv", "config.json"])
def test_what_is_no_file_of_a_run_ends_in_a_sentence(folder: RunFolder, pyramid_config: ModelConfig, name: str) -> None:
    """Whatever is in it; a named pipe is not waited for."""
    model, optimizer = trained(pyramid_config, "sgd")
    folder.save(model, optimizer, 2, 0.5)
    path = folder.path / name
    write_tensors({}, {"lseg.training": "[" * 100_000}, folder.state_file)
    if name != "state.safetensors":
        path.unlink(missing_ok=True)
        path.write_bytes(b"epoch,miou\nx,\xff" if name == "results.csv" else b"[" * 100_000)
    read = {"state.safetensors": folder.steps_done, "results.csv": folder.rows, "config.json": folder.recipe}[name]
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        read()
    if name == "config.json":
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(DataError, match="it is a named pipe, not a file"):
            read()
