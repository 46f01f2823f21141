"""Every recipe is tried out on a miniature of its data: batch, size and model are smaller, all else is as it says."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from lseg_cli.config import EncoderConfig, ModelConfig, TrainConfig
from lseg_cli.training.recipe import load_recipe
from lseg_cli.training.sweep import read_sweep
from lseg_cli.training.trial import try_out
from tests.data.miniatures import MAKERS
from tests.training.test_loop import embed, make_engine

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = sorted(path.name for path in RECIPES.glob("*.yaml"))


def configs(name: str) -> dict[str, TrainConfig]:
    """The trainings of a recipe, or of a sweep's first seed, by name."""
    path = RECIPES / name
    if "variants" not in yaml.safe_load(path.read_text()):
        return {"": load_recipe(path, {})}
    return {run.variant: run.config for run in read_sweep(path, Path("out")) if run.seed == 0}


def reduced(config: TrainConfig, vit: EncoderConfig) -> TrainConfig:
    model = config.model_config_of()
    pyramid = EncoderConfig(kind="pyramid", name="test_efficientnet", taps=(1, 2, 3, 4))
    small = {
        "encoder": vit if model.encoder.kind == "vit" else pyramid,
        "decoder_width": 8,
        "decoder_widths": (4, 8, 8, 8) if model.decoder_widths else (),
        "text": model.text.model_copy(update={"width": 16}),
        "image": model.image.model_copy(update={"long_side_px": 64}),
    }
    augment = config.augment.model_copy(update={"base_px": 64, "crop_px": 64})
    here = {"batch_size": 2, "workers": 0, "precision": "fp32", "device": "cpu"}
    weights = config.encoder_weights if config.encoder_weights == "timm" else ""
    return config.model_copy(
        update={**here, "augment": augment, "model": model.model_copy(update=small), "encoder_weights": weights}
    )


def make_street(mini: Path, path: Path, unseen: Sequence[str]) -> None:
    """A folder with a `dataset.yaml` that has the classes which are to stay unseen, too."""
    shutil.copytree(mini.parent, path.parent, dirs_exist_ok=True)
    described = yaml.safe_load(mini.read_text())
    described["classes"] += [name for name in unseen if name not in described["classes"]]
    path.write_text(yaml.safe_dump(described))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_can_be_tried_out(
    name: str, mini: Path, vit_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSEG_DATA", str(tmp_path / "data"))
    tried: list[TrainConfig] = []
    for config in configs(name).values():
        for ref in config.data:
            if ref.path in MAKERS and not (tmp_path / "data" / ref.path).exists():
                MAKERS[ref.path](tmp_path / "data" / ref.path)
            elif ref.path not in MAKERS:
                make_street(mini, Path(ref.path.replace("$LSEG_DATA", str(tmp_path / "data"))), ref.unseen)
        small = reduced(config, vit_config.encoder)
        if small not in tried:  # text encoders differ in their width alone, which is reduced
            trial = try_out(small, embed, make_engine)
            assert trial.steps >= config.epochs
            tried.append(small)
    assert tried


def test_recipes_of_the_paper_have_its_figures() -> None:
    rate, epochs = 0.004 / 16 * 6, {"ade20k": 240, "mix7": 200, "fss1000": 60, "pascal5i": 4, "coco20i": 4}
    for name in NAMES:
        experiment = name.removesuffix(".yaml").split("-")[0]
        if experiment not in epochs:
            continue
        for config in configs(name).values():
            optimizer = config.optimizer
            assert config.epochs == epochs[experiment]
            assert optimizer.learning_rate == pytest.approx(0.05 / 16 * 6 if experiment == "fss1000" else rate)
            assert (optimizer.name, optimizer.head_factor, optimizer.momentum) == ("sgd", 10, 0.9)
            assert (optimizer.weight_decay, optimizer.power, optimizer.decay_per) == (1e-4, 0.9, "epoch")
            assert (config.batch_size, config.augment.base_px, config.augment.crop_px) == (6, 520, 480)
            assert (config.augment.scale, config.augment.mirror, config.augment.jitter) == ((0.5, 2.0), 0.5, 0)
            assert (config.encoder_weights, config.loss_stride, config.balance, config.alignment) == ("timm", 1, 0, 0)
            is_zero_shot = experiment in ("fss1000", "pascal5i", "coco20i")
            assert (config.labels.other, config.labels.other_label) == ((1, "others") if is_zero_shot else (0, "other"))


def test_the_tables_of_the_paper_are_whole() -> None:
    encoders = {
        (c.model_config_of().encoder.name, c.model_config_of().text.name)
        for c in configs("ade20k-encoders.yaml").values()
    }
    images, texts = ("vit_base_patch32_384", "vit_large_patch16_384"), ("ViT-B-32", "ViT-B-16", "RN50x4", "RN50x16")
    assert encoders == {(image, f"{text}-quickgelu") for image in images for text in texts}
    regularizers = {
        (c.model_config_of().regularizer.kind, c.model_config_of().regularizer.depth)
        for c in configs("ade20k-regularizer.yaml").values()
    }
    assert regularizers == {
        ("none", 0),
        *((kind, depth) for kind in ("depthwise", "bottleneck") for depth in (1, 2, 4)),
    }
    for name in ("pascal5i", "coco20i"):
        folds = {
            (c.model_config_of().name, ref.path, ref.fold, ref.split)
            for c in configs(f"{name}.yaml").values()
            for ref in (*c.data, c.validation)
            if ref
        }
        assert folds == {
            (model, name, fold, split)
            for model in ("lseg-rn101", "lseg-vitl16")
            for fold in range(4)
            for split in ("train", "val")
        }
    assert len(configs("mix7.yaml")[""].data) == 7
