"""Class vectors are trained as a text encoder's would be, and are saved as a vocabulary that fits its model alone."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lseg_cli.config import AugmentConfig, DataRef, LabelConfig, ModelConfig, OptimizerConfig, TrainConfig
from lseg_cli.data.datasets import open_dataset
from lseg_cli.data.labels import LabelSet
from lseg_cli.data.vocabulary import read_vocabulary
from lseg_cli.errors import LsegError
from lseg_cli.model import load
from lseg_cli.model.lseg import build
from lseg_cli.training.classifier import ClassVectors, learned_classes
from lseg_cli.training.loop import Trainer
from lseg_cli.training.optim import build_optimizer
from lseg_cli.training.reports import EpochReport
from lseg_engines.torch_engine import TorchEngine
from tests.command_line import lseg


@pytest.fixture
def config(mini: Path, pyramid_config: ModelConfig) -> TrainConfig:
    return TrainConfig(
        model=pyramid_config,
        data=(DataRef(path=str(mini)),),
        validation=DataRef(path=str(mini), split="val"),
        classifier="learned",
        epochs=2,
        steps_per_epoch=8,
        batch_size=2,
        device="cpu",
        workers=0,
        augment=AugmentConfig(base_px=96, scale=(1.0, 1.0), crop_px=96),
        optimizer=OptimizerConfig(name="adamw", learning_rate=2e-3, head_factor=3),
    )


def no_text_encoder(texts: object) -> Any:
    raise AssertionError(f"{texts} are embedded")


def train(config: TrainConfig, out: Path) -> list[EpochReport]:
    trainer = Trainer(config, out, no_text_encoder, lambda model: TorchEngine(model, "", device="cpu"))
    return [report for report in trainer.run() if isinstance(report, EpochReport)]


@pytest.fixture
def run(config: TrainConfig, tmp_path: Path) -> Path:
    train(config, tmp_path / "run")
    return tmp_path / "run" / "weights"


def test_vectors_are_chosen_by_name_and_of_unit_length() -> None:
    classes = ClassVectors(["sky", "road", "other"], LabelSet.of(["sky"]), width=5, seed=0)
    with torch.no_grad():
        classes.vectors.mul_(3)
    chosen = classes(torch.from_numpy(classes.choose(["other", "sky"])))
    torch.testing.assert_close(chosen, classes.vectors[[2, 0]] / 3)
    np.testing.assert_array_equal(classes.embed(["other", "sky"]), chosen.detach().numpy())


def test_vectors_are_a_function_of_the_seed() -> None:
    torch.manual_seed(5)
    one, again, other = (ClassVectors(["sky", "road"], LabelSet.of(["sky"]), 5, seed) for seed in (1, 1, 2))
    assert torch.equal(one.vectors, again.vectors)
    assert not torch.equal(one.vectors, other.vectors)


def test_vectors_learn_at_the_rate_of_the_head(pyramid_config: ModelConfig) -> None:
    classes = ClassVectors(["sky"], LabelSet.of(["sky"]), 16, 0)
    optimizer = build_optimizer(build(pyramid_config), OptimizerConfig(learning_rate=1, head_factor=10), classes)
    rates = [g["lr"] for g in optimizer.param_groups if any(p is classes.vectors for p in g["params"])]
    assert rates == [10]


def test_a_closed_set_is_learnt_without_a_text_encoder(config: TrainConfig, tmp_path: Path) -> None:
    reports = train(config.model_copy(update={"steps_per_epoch": 30}), tmp_path / "run")
    assert reports[-1].loss < 0.7 * reports[0].loss
    assert reports[-1].scores is not None
    assert reports[-1].scores.pixel_accuracy > 0.6


def test_the_model_and_its_vocabulary_name_each_other(run: Path) -> None:
    vocabulary = read_vocabulary(run / "last.vocab.safetensors")
    assert vocabulary.names == ("sky", "road", "car")
    assert vocabulary.encoder == load(run / "last.safetensors").config.text
    assert vocabulary.encoder.kind == "learned"


def test_other_is_in_the_vocabulary_if_it_was_trained(config: TrainConfig, tmp_path: Path) -> None:
    train(config.model_copy(update={"epochs": 1, "labels": LabelConfig(other=0.5)}), tmp_path / "run")
    vocabulary = read_vocabulary(tmp_path / "run" / "weights" / "last.vocab.safetensors")
    assert vocabulary.names == ("sky", "road", "car", "other")


def segment(*arguments: object) -> int:
    return lseg("segment", *arguments)


def test_segment_takes_the_model_with_its_own_vocabulary_alone(
    config: TrainConfig, run: Path, mini: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = (mini.parent / "images" / "val", "-m", run / "last.safetensors")
    assert segment(*inputs, "-l", run / "last.vocab.safetensors", "-o", tmp_path / "out") == 0
    ids = np.asarray(Image.open(tmp_path / "out" / "masks" / "4.png"))
    assert set(np.unique(ids)) <= {0, 1, 2}
    train(config.model_copy(update={"seed": 1}), tmp_path / "stranger")
    strange = tmp_path / "stranger" / "weights" / "last.vocab.safetensors"
    capsys.readouterr()
    for arguments in ((*inputs, "-l", strange), (inputs[0], "-l", strange)):  # the second: the bundled model
        assert segment(*arguments, "-o", tmp_path / "none") == 5
        assert "belong to the model beside which they were written" in " ".join(capsys.readouterr().err.split())
    assert segment(*inputs, "-l", "sky,road", "-o", tmp_path / "none") == 5
    assert "class vectors instead of words" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": LabelConfig(paraphrase=0.5)}, r"leave out labels\.paraphrase"),
        ({"labels": LabelConfig(synonyms="x.yaml")}, r"leave out labels\.synonyms"),
        ({"labels": LabelConfig(noise=0.5)}, r"leave out labels\.noise"),
        ({"labels": LabelConfig(negatives=1)}, r"leave out labels\.negatives"),
        ({"data": "unseen"}, "leave out `unseen`"),
        ({"data": "twice"}, "the classes of one data set, and the recipe names 2"),
        ({"validation": "more"}, "'boat', for which no vector is trained"),
    ],
)
def test_what_only_words_can_give_is_refused(
    config: TrainConfig, mini: Path, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    other = mini.with_name("more.yaml")
    shutil.copy(mini, other)
    other.write_text(other.read_text().replace("car]", "car, boat]"))
    (ref,) = config.data
    named = {
        "unseen": (ref.model_copy(update={"unseen": ("car",)}),),
        "twice": (ref, ref),
        "more": DataRef(path=str(other), split="val"),
    }
    update = {key: named[value] if isinstance(value, str) else value for key, value in change.items()}
    changed = config.model_copy(update=update)
    validation = open_dataset(changed.validation) if changed.validation else None
    with pytest.raises(LsegError, match=sentence):
        learned_classes(changed, [open_dataset(each) for each in changed.data], validation)
    assert not (tmp_path / "run").exists()
