"""Runs of a few steps on six small pictures. What is resumed must end as what was never interrupted, bit by bit."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from lseg_cli.config import AugmentConfig, DataRef, LabelConfig, ModelConfig, OptimizerConfig, TrainConfig
from lseg_cli.console.terminal import Console
from lseg_cli.console.training import show_training
from lseg_cli.data.datasets import open_dataset
from lseg_cli.errors import DataError, LsegError, MismatchError, MissingError
from lseg_cli.model import load
from lseg_cli.model.checkpoint import read_tensors
from lseg_cli.model.lseg import LSeg
from lseg_cli.training.building import build_for_training
from lseg_cli.training.classifier import learned_classes
from lseg_cli.training.loop import Trainer
from lseg_cli.training.reports import EpochReport, StepReport
from lseg_engines.torch_engine import TorchEngine

STEPS, EPOCHS = 3, 3  # steps of an epoch


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """A direction for each text."""
    rows = np.array([np.random.default_rng(list(text.encode())).normal(size=16) for text in texts], np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def make_engine(model: LSeg) -> TorchEngine:
    return TorchEngine(model, "", device="cpu")


def trainer(config: TrainConfig, out: Path, resume: bool = False) -> Trainer:
    return Trainer(config, out, embed, make_engine, resume)


@pytest.fixture
def config(mini: Path, pyramid_config: ModelConfig) -> TrainConfig:
    """All that is random takes part."""
    return TrainConfig(
        model=pyramid_config,
        data=(DataRef(path=str(mini)), DataRef(path=str(mini), split="val")),
        validation=DataRef(path=str(mini), split="val"),
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        batch_size=2,
        device="cpu",
        workers=0,
        loss_stride=2,
        balance=0.5,
        alignment=0.5,
        augment=AugmentConfig(base_px=96, scale=(0.8, 1.5), crop_px=64, jitter=0.3),
        labels=LabelConfig(subset=0.5, other=0.5, noise=0.2),
        optimizer=OptimizerConfig(name="adamw", learning_rate=1e-3, warmup_steps=2, clip_norm=5),
    )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are rounded in the order of the threads, and the process that dies below has one alone."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def state_of(out: Path) -> dict[str, torch.Tensor]:
    """All tensors of a run's state and models, and its step and best figure."""
    tensors: dict[str, torch.Tensor] = {}
    for name in ("state", "weights/last", "weights/best"):
        found, metadata = read_tensors(out / f"{name}.safetensors")
        tensors |= {f"{name}/{key}": tensor for key, tensor in found.items()}
        if name == "state":
            tensors |= {key: torch.tensor(value) for key, value in json.loads(metadata["lseg.training"]).items()}
    return tensors


def rows_of(out: Path, *left_out: str) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="") as file:
        return [{key: row[key] for key in row if key not in ("seconds", *left_out)} for row in csv.DictReader(file)]


def assert_equal_runs(one: Path, other: Path) -> None:
    first, second = state_of(one), state_of(other)
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@pytest.fixture
def whole(config: TrainConfig, tmp_path: Path) -> Path:
    """A run that was never interrupted."""
    out = tmp_path / "whole"
    list(trainer(config, out).run())
    return out


def stop_after(steps: int) -> Callable[[], bool]:
    """For `should_stop`, asked after every step."""
    answers = iter([False] * (steps - 1))
    return lambda: next(answers, True)


def test_a_run_reports_and_records_every_epoch(config: TrainConfig, tmp_path: Path) -> None:
    reports = list(trainer(config, tmp_path / "run").run())
    steps = [report for report in reports if isinstance(report, StepReport)]
    epochs = [report for report in reports if isinstance(report, EpochReport)]
    assert [(step.step, step.steps, step.epoch, step.epochs) for step in steps] == [
        (step, 9, (step - 1) // 3 + 1, 3) for step in range(1, 10)
    ]
    expected = [(1 - step / 9) ** 0.9 * 1e-2 * min(1, (step + 1) / 2) for step in range(9)]
    assert [step.learning_rate for step in steps] == pytest.approx(expected)
    assert [epoch.loss for epoch in epochs] == pytest.approx(np.reshape([s.loss for s in steps], (3, 3)).mean(1))
    scores = [epoch.scores.mean_iou for epoch in epochs if epoch.scores is not None]
    assert len(scores) == 3
    assert [epoch.best_miou for epoch in epochs] == np.maximum.accumulate(scores).tolist()
    rows = rows_of(tmp_path / "run")
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6"), ("3", "9")]
    assert [row["miou"] for row in rows] == [f"{score:.6f}" for score in scores]
    assert [row["loss"] for row in rows] == [f"{epoch.loss:.6f}" for epoch in epochs]
    assert load(tmp_path / "run" / "weights" / "last.safetensors").config == config.model


def test_a_run_is_a_function_of_its_recipe(config: TrainConfig, whole: Path, tmp_path: Path) -> None:
    torch.manual_seed(99)
    list(trainer(config, tmp_path / "again").run())
    assert_equal_runs(tmp_path / "again", whole)
    list(trainer(config.model_copy(update={"seed": 1}), tmp_path / "other").run())
    one, other = load_file(whole / "weights/last.safetensors"), load_file(tmp_path / "other/weights/last.safetensors")
    assert not torch.equal(one["decoder.head.weight"], other["decoder.head.weight"])


@pytest.mark.parametrize("stops", [(1,), (3,), (4,), (2, 3)])
def test_a_run_that_was_stopped_and_resumed_ends_as_one_that_was_not(
    config: TrainConfig, whole: Path, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    out, done = tmp_path / "stopped", 0
    for steps in stops:
        reports = list(trainer(config, out, resume=done > 0).run(stop_after(steps)))
        done += steps
        assert [report.step for report in reports if isinstance(report, StepReport)][-1] == done
    rest = list(trainer(config, out, resume=True).run())
    assert [report.step for report in rest if isinstance(report, StepReport)] == list(range(done + 1, 10))
    assert_equal_runs(out, whole)
    assert rows_of(out, "loss") == rows_of(whole, "loss")


def test_sgd_resumes_exactly_too(config: TrainConfig, tmp_path: Path) -> None:
    config = config.model_copy(update={"optimizer": OptimizerConfig(learning_rate=1e-3)})
    list(trainer(config, tmp_path / "whole").run())
    list(trainer(config, tmp_path / "stopped").run(stop_after(4)))
    list(trainer(config, tmp_path / "stopped", resume=True).run())
    assert_equal_runs(tmp_path / "stopped", tmp_path / "whole")


def test_learned_classes_resume_exactly_too(config: TrainConfig, tmp_path: Path) -> None:
    labels = LabelConfig(subset=0.5, other=0.5)
    config = config.model_copy(update={"classifier": "learned", "data": config.data[:1], "labels": labels})
    list(trainer(config, tmp_path / "whole").run())
    list(trainer(config, tmp_path / "stopped").run(stop_after(2)))
    list(trainer(config, tmp_path / "stopped", resume=True).run(stop_after(2)))
    list(trainer(config, tmp_path / "stopped", resume=True).run())
    assert_equal_runs(tmp_path / "stopped", tmp_path / "whole")
    for name in ("last", "best"):
        one, other = (tmp_path / run / "weights" / f"{name}.vocab.safetensors" for run in ("stopped", "whole"))
        assert one.read_bytes() == other.read_bytes()
    start = learned_classes(config, [open_dataset(config.data[0])], None)
    assert state_of(tmp_path / "whole")["state/classes/vectors"].shape == (4, 16)
    assert not torch.equal(state_of(tmp_path / "whole")["state/classes/vectors"], start.vectors)


def test_a_finished_run_has_nothing_to_resume(config: TrainConfig, whole: Path) -> None:
    before = state_of(whole)
    assert list(trainer(config, whole, resume=True).run()) == []
    assert all(torch.equal(tensor, before[key]) for key, tensor in state_of(whole).items())


# Run in another process, for what dies here dies for good: one life for each argument after the recipe and the folder.
DEATHS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("loop", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["loop"] = module
spec.loader.exec_module(module)
module.die(*sys.argv[2:])
"""


def die(recipe: str, folder: str, *deaths: str) -> None:
    """Starts a run for each death, in a process of its own: 'step-4' after that step, 'file-5' instead of file 5."""
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    config = TrainConfig.model_validate_json(Path(recipe).read_text())
    for death in deaths:
        child = os.fork()
        if child == 0:
            kind, _, number = death.partition("-")
            if kind == "file":
                die_instead_of_file(int(number))
            for report in trainer(config, Path(folder) / death).run():
                if death == f"step-{report.step if isinstance(report, StepReport) else ''}":
                    os.kill(os.getpid(), signal.SIGKILL)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"{death} did not die")


def die_instead_of_file(number: int) -> None:
    """Files are written beside their place, then moved; the process dies before a move, once there is a state."""
    moves, move, is_begun = iter(range(1, 99)), Path.replace, False

    def replace(self: Path, target: str | os.PathLike[str]) -> Path:
        nonlocal is_begun
        if is_begun and next(moves) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        is_begun |= Path(target).name == "state.safetensors"
        return move(self, target)

    Path.replace = replace  # type: ignore[method-assign, assignment]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no SIGKILL and no fork")
def test_a_killed_run_resumes_and_ends_as_one_that_was_not(config: TrainConfig, whole: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(config.model_dump_json())
    # Each epoch writes at least two tables, the last model and the state; a best one its model and pictures besides.
    deaths = [f"step-{random.randint(4, 8)}", "file-1", "file-2", "file-3", "file-4"]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "engines")])}
    subprocess.run([sys.executable, "-c", DEATHS, __file__, recipe, tmp_path, *deaths], env=environment, check=True)
    for death in deaths:
        list(trainer(config, tmp_path / death, resume=True).run())
        assert_equal_runs(tmp_path / death, whole)
        assert rows_of(tmp_path / death) == rows_of(whole), death


def test_a_run_of_another_recipe_is_not_resumed(config: TrainConfig, whole: Path, tmp_path: Path) -> None:
    other = config.model_copy(update={"epochs": EPOCHS - 1})
    with pytest.raises(MismatchError, match="differs from the recipe given now"):
        trainer(other, whole, resume=True)
    with pytest.raises(LsegError, match="go on with --resume"):
        trainer(config, whole)
    with pytest.raises(DataError, match="no training run to resume"):
        trainer(config, tmp_path / "none", resume=True)


def test_the_loss_falls_and_the_pictures_are_learnt(config: TrainConfig, tmp_path: Path) -> None:
    config = config.model_copy(
        update={
            "epochs": 1,
            "steps_per_epoch": 40,
            "loss_stride": 1,
            "labels": LabelConfig(),
            "augment": AugmentConfig(base_px=96, scale=(1.0, 1.0), crop_px=96),
            "optimizer": OptimizerConfig(name="adamw", learning_rate=2e-3, head_factor=3),
        }
    )
    reports = list(trainer(config, tmp_path / "run").run())
    losses = [report.loss for report in reports if isinstance(report, StepReport)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    scores = reports[-1].scores if isinstance(reports[-1], EpochReport) else None
    assert scores is not None
    assert scores.pictures == 2
    assert scores.pixel_accuracy > 0.6


def test_validation_runs_when_it_is_due_and_at_the_end(config: TrainConfig, tmp_path: Path) -> None:
    due = config.model_copy(update={"validate_every": 2})
    epochs = [r for r in trainer(due, tmp_path / "due").run() if isinstance(r, EpochReport)]
    assert [epoch.scores is not None for epoch in epochs] == [False, True, True]
    assert [row["miou"] != "" for row in rows_of(tmp_path / "due")] == [False, True, True]
    never = config.model_copy(update={"validation": None, "epochs": 1})
    epochs = [r for r in trainer(never, tmp_path / "never").run() if isinstance(r, EpochReport)]
    assert [epoch.scores for epoch in epochs] == [None]
    assert not (tmp_path / "never" / "weights" / "best.safetensors").exists()


def test_seen_and_unseen_classes_are_told_apart(config: TrainConfig, mini: Path, tmp_path: Path) -> None:
    data = (DataRef(path=str(mini), unseen=("car",), unseen_pixels="ignore"),)
    run = trainer(config.model_copy(update={"data": data, "labels": LabelConfig(negatives=2)}), tmp_path / "run")
    epochs = [report for report in run.run() if isinstance(report, EpochReport)]
    rows = rows_of(tmp_path / "run")
    for epoch, row in zip(epochs, rows, strict=True):
        assert epoch.scores is not None
        ious = [epoch.scores.class_iou[name] or 0.0 for name in ("sky", "road", "car")]
        assert epoch.scores.mean_iou == pytest.approx(np.mean(ious))
        assert (epoch.seen_miou, epoch.unseen_miou) == pytest.approx((np.mean(ious[:2]), ious[2]))
        assert (row["seen_miou"], row["unseen_miou"]) == (f"{epoch.seen_miou:.6f}", f"{epoch.unseen_miou:.6f}")
    assert run.best_miou == max(epoch.seen_miou or 0.0 for epoch in epochs)


def test_pixels_of_an_unseen_class_change_nothing(config: TrainConfig, mini: Path, tmp_path: Path) -> None:
    data = (DataRef(path=str(mini), unseen=("car",), unseen_pixels="ignore"),)
    config = config.model_copy(update={"data": data, "validation": None, "labels": LabelConfig()})
    list(trainer(config, tmp_path / "car").run())
    for path in (mini.parent / "masks" / "train").iterdir():
        ids = np.asarray(Image.open(path)).copy()
        ids[ids == 2] = 255
        Image.fromarray(ids).save(path)
    list(trainer(config, tmp_path / "void").run())
    one, other = (load_file(tmp_path / name / "weights" / "last.safetensors") for name in ("car", "void"))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_validation_leaves_the_model_in_training(config: TrainConfig, tmp_path: Path) -> None:
    run = trainer(config, tmp_path / "run")
    modes = [run.model.training and run.model.decoder.training for _ in run.run()]
    assert all(modes)


@pytest.fixture
def one_picture(config: TrainConfig, mini: Path) -> TrainConfig:
    """Every picture of every step is the same, and one step is all."""
    for path in sorted((mini.parent / "images" / "train").iterdir())[1:]:
        path.unlink()
    return config.model_copy(
        update={
            "data": config.data[:1],
            "validation": None,
            "epochs": 1,
            "steps_per_epoch": 1,
            "labels": LabelConfig(),
            "augment": AugmentConfig(base_px=96, scale=(1.0, 1.0), crop_px=96, mirror=0),
            "optimizer": OptimizerConfig(learning_rate=0.01),
        }
    )


def test_accumulated_parts_make_one_step_of_the_same_size(one_picture: TrainConfig, tmp_path: Path) -> None:
    weights = []
    for accumulate in (1, 3):
        out = tmp_path / str(accumulate)
        list(trainer(one_picture.model_copy(update={"accumulate": accumulate}), out).run())
        weights.append(load_file(out / "weights" / "last.safetensors")["decoder.head.weight"])
    start = build_for_seed(one_picture)
    moved = (weights[0] - start).abs().max()
    assert moved > 0
    torch.testing.assert_close((weights[1] - start) / moved, (weights[0] - start) / moved, atol=1e-3, rtol=0)


def build_for_seed(config: TrainConfig) -> torch.Tensor:
    """A weight as a run starts with it."""
    torch.manual_seed(config.seed)
    return build_for_training(config.model_config_of(), "").get_parameter("decoder.head.weight").detach()


def test_a_loss_that_is_no_number_stops_the_run(one_picture: TrainConfig, tmp_path: Path) -> None:
    run = trainer(one_picture, tmp_path / "run")
    with torch.no_grad():
        next(run.model.parameters()).fill_(torch.nan)
    with pytest.raises(LsegError, match="The loss is nan at step 1: lower the learning rate"):
        list(run.run())
    assert not (tmp_path / "run" / "state.safetensors").exists()


def test_data_is_checked_before_the_first_step(config: TrainConfig, mini: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 96), 3, np.uint8)).save(mini.parent / "masks" / "val" / "4.png")
    with pytest.raises(DataError, match=r"val/4\.png holds id 3"):
        trainer(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps what it was told first, for the whole process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.usefixtures("fresh_accelerator")
def test_a_precision_that_is_not_here_is_told(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="fp16 needs a GPU"):
        trainer(config.model_copy(update={"precision": "fp16"}), tmp_path / "run")


def test_an_encoder_starts_from_the_weights_of_a_file(
    pyramid_config: ModelConfig, vit_config: ModelConfig, tmp_path: Path
) -> None:
    for model_config, attribute in ((pyramid_config, "backbone"), (vit_config, "vit")):
        torch.manual_seed(0)
        state = getattr(build_for_training(model_config, "").encoder, attribute).state_dict()
        path = tmp_path / f"{attribute}.safetensors"
        save_file({**state, "head.weight": torch.zeros(2)}, path)  # timm's files hold a classifier too
        torch.manual_seed(1)
        loaded = getattr(build_for_training(model_config, str(path)).encoder, attribute).state_dict()
        assert all(torch.equal(tensor, loaded[name]) for name, tensor in state.items())
        save_file(dict(list(state.items())[1:]), path)
        with pytest.raises(MismatchError, match=rf"1 tensors of .*{attribute}\.safetensors do not fit"):
            build_for_training(model_config, str(path))
    with pytest.raises(DataError, match="no file"):
        build_for_training(pyramid_config, str(tmp_path / "none.safetensors"))


def test_classes_that_occur_nowhere_are_noted_before_the_first_step(config: TrainConfig, mini: Path) -> None:
    assert trainer(config, mini.parent / "out").notices == []
    mini.write_text(mini.read_text().replace("car]", "car, train]"))
    noted = trainer(config, mini.parent / "other").notices
    assert noted == ["mini: 1 of 4 classes occur nowhere: train."] * 2


def test_masks_that_are_mostly_ignored_are_noted(config: TrainConfig, mini: Path, tmp_path: Path) -> None:
    for path in (mini.parent / "masks" / "train").iterdir():
        ids = np.asarray(Image.open(path)).copy()
        ids[:, : ids.shape[1] * 3 // 4] = 255
        Image.fromarray(ids).save(path)
    assert any("of the pixels have no label." in note for note in trainer(config, tmp_path / "run").notices)


def test_masks_in_black_and_white_are_not_trained_on(config: TrainConfig, mini: Path) -> None:
    for path in (mini.parent / "masks" / "train").iterdir():
        ids = np.asarray(Image.open(path))
        Image.fromarray(np.where(ids == 1, 255, 0).astype(np.uint8)).save(path)
    with pytest.raises(DataError, match="hold 'sky' and 255 alone, and 255 is ignored"):
        trainer(config, mini.parent / "out")


def test_json_lines_of_a_run_without_validation_are_json(
    config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is named that is not there. It said -Infinity, and best.safetensors."""
    run = trainer(config.model_copy(update={"validation": None, "epochs": 1, "steps_per_epoch": 1}), tmp_path / "run")
    assert show_training(run.run(), Console(json_lines=True), tmp_path / "run")
    said = capsys.readouterr()
    epochs = [json.loads(line, parse_constant=pytest.fail) for line in said.out.splitlines()]
    assert [(each["event"], each["best_miou"]) for each in epochs] == [("epoch", None)]
    assert "last.safetensors." in said.err
    assert "best" not in said.err
    assert not (tmp_path / "run" / "weights" / "best.safetensors").exists()
    _, metadata = read_tensors(tmp_path / "run" / "state.safetensors")
    assert json.loads(metadata["lseg.training"], parse_constant=pytest.fail)["best_miou"] is None


def test_a_device_that_is_not_here_is_an_error(config: TrainConfig, tmp_path: Path) -> None:
    if torch.backends.mps.is_available():
        pytest.skip("needs a machine without mps")
    with pytest.raises(MissingError, match="The device 'mps' was not found; training would run on"):
        trainer(config.model_copy(update={"device": "mps"}), tmp_path / "run")
