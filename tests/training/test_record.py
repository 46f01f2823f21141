"""What a run leaves to be looked at."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lseg_cli import extras
from lseg_cli.config import AugmentConfig, DataRef, ModelConfig, TrainConfig
from lseg_cli.data.datasets import open_dataset
from lseg_cli.errors import MissingError
from lseg_cli.evaluation.counting import evaluate
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.model.lseg import LSeg, build
from lseg_cli.training import record
from lseg_cli.training.curves import draw_curves
from lseg_cli.training.loop import Trainer
from lseg_cli.training.state import RunFolder
from lseg_cli.training.validation import validate
from lseg_engines.torch_engine import TorchEngine

EPOCHS = 2


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """A direction for each text."""
    rows = np.array([np.random.default_rng(list(text.encode())).normal(size=16) for text in texts], np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def make_engine(model: LSeg) -> TorchEngine:
    return TorchEngine(model, "", device="cpu")


@pytest.fixture
def config(mini: Path, pyramid_config: ModelConfig) -> TrainConfig:
    return TrainConfig(
        model=pyramid_config,
        data=(DataRef(path=str(mini)),),
        validation=DataRef(path=str(mini), split="val"),
        epochs=EPOCHS,
        batch_size=2,
        device="cpu",
        workers=0,
        augment=AugmentConfig(base_px=96, crop_px=64),
    )


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_can_be_looked_at(config: TrainConfig, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415  an extra

    out = tmp_path / "run"
    list(Trainer(config.model_copy(update={"tensorboard": True}), out, embed, make_engine).run())
    epochs, classes = table(out / "results.csv"), table(out / "classes.csv")
    assert [(row["epoch"], row["class"]) for row in classes] == [
        (str(epoch), name) for epoch in (1, 2) for name in ("sky", "road", "car")
    ]
    for row in epochs:
        of_epoch = [float(each["iou"]) for each in classes if each["epoch"] == row["epoch"]]
        assert float(row["miou"]) == pytest.approx(np.mean(of_epoch), abs=1e-5)
    assert float(epochs[0]["lr_rest"]) == pytest.approx(10 * float(epochs[0]["lr_encoder"]), rel=1e-3)
    assert float(epochs[1]["lr_rest"]) < float(epochs[0]["lr_rest"])
    best = max(epochs, key=lambda row: float(row["miou"]))
    confusion = np.array([[int(cell) for cell in list(row.values())[1:]] for row in table(out / "confusion.csv")])
    assert confusion.trace() / confusion.sum() == pytest.approx(float(best["pixel_accuracy"]), abs=1e-6)
    for name in ("results.png", "confusion.png", "worst.jpg", "best.jpg"):
        with Image.open(out / name) as picture:
            picture.load()
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/step")] == [1, 2, 3, 4]
    found = [event.value for event in events.Scalars("val/mIoU")]
    assert found == pytest.approx([float(row["miou"]) for row in epochs], abs=1e-5)


def test_a_frozen_encoder_has_no_rate(config: TrainConfig, tmp_path: Path) -> None:
    update = {"freeze": "encoder", "epochs": 1, "validation": None}
    list(Trainer(config.model_copy(update=update), tmp_path / "run", embed, make_engine).run())
    (row,) = table(tmp_path / "run" / "results.csv")
    assert row["lr_encoder"] == ""
    assert float(row["lr_rest"]) > 0
    assert not (tmp_path / "run" / "worst.jpg").exists()


def test_pictures_are_ranked_by_their_own_figures(mini: Path, pyramid_config: ModelConfig) -> None:
    dataset = open_dataset(DataRef(path=str(mini), split="val"))
    segmenter = Segmenter(make_engine(build(pyramid_config).eval()), embed(dataset.prompts))
    found = validate(segmenter, dataset)
    assert found.scores == evaluate(segmenter, dataset)
    for number, iou in enumerate(found.picture_miou):
        one = replace(dataset, images=(dataset.images[number],), masks=(dataset.masks[number],))
        assert evaluate(segmenter, one).mean_iou == iou
    figures = [found.picture_miou[number] or 0 for number in found.ranked()]
    assert figures == sorted(figures)


def test_curves_take_lines_without_figures(tmp_path: Path) -> None:
    """Epochs that are not validated, a class that has no IoU, a name that Matplotlib would read as formula."""
    epochs = [
        {"epoch": "1", "loss": "0.5", "miou": "", "lr_rest": "1e-3"},
        {"epoch": "2", "loss": "0.4", "miou": "0.3"},
    ]
    classes = [{"epoch": "2", "class": "$_{", "iou": "0.3"}, {"epoch": "2", "class": "car", "iou": ""}]
    draw_curves(epochs, classes, tmp_path / "results.png")
    with Image.open(tmp_path / "results.png") as picture:
        tall = picture.height
    draw_curves(epochs, [], tmp_path / "results.png")
    with Image.open(tmp_path / "results.png") as picture:
        assert picture.height < tall


def test_lines_of_a_run_of_before_stay(tmp_path: Path) -> None:
    """It had fewer columns."""
    folder = RunFolder(tmp_path)
    folder.record([{"epoch": 1, "loss": "0.5"}])
    folder.record([{"epoch": 2, "loss": "0.4", "lr_rest": "1e-3"}])
    assert folder.rows() == [
        {"epoch": "1", "loss": "0.5", "lr_rest": ""},
        {"epoch": "2", "loss": "0.4", "lr_rest": "1e-3"},
    ]


def test_tensorboard_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    with pytest.raises(MissingError, match=r"--tensorboard needs the package tensorboard.*lseg-cli\[tensorboard\]"):
        record.RunRecord(RunFolder(tmp_path), tensorboard=True)
