from pathlib import Path
from typing import Any

import pytest

from lseg_cli.config import PRESETS, DataRef, RegularizerConfig, TrainConfig
from lseg_cli.errors import DataError, LsegError
from lseg_cli.training.recipe import compose, load_recipe, parse_settings

DATA = (DataRef(path="mini/dataset.yaml"),)
RECIPE = """
data: [{path: mini/dataset.yaml}]
epochs: 7
optimizer: {name: adamw, learning_rate: 0.003}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_fills_what_it_names(path: Path) -> None:
    config = load_recipe(path, {})
    assert (config.data, config.epochs) == (DATA, 7)
    assert (config.optimizer.name, config.optimizer.learning_rate) == ("adamw", 0.003)
    assert config.optimizer.head_factor == TrainConfig(data=DATA).optimizer.head_factor
    assert config.augment == TrainConfig(data=DATA).augment


def test_flags_go_on_top_and_those_not_given_count_nothing(path: Path) -> None:
    config = load_recipe(path, {"epochs": 2, "optimizer.learning_rate": 0.1, "augment.crop_px": 64, "seed": None})
    assert (config.epochs, config.optimizer.learning_rate, config.augment.crop_px) == (2, 0.1, 64)
    assert (config.optimizer.name, config.seed) == ("adamw", 0)


def test_flags_alone_make_a_recipe() -> None:
    assert load_recipe(None, {"data": [{"path": "mini/dataset.yaml"}]}) == TrainConfig(data=DATA)


def test_a_key_inside_model_goes_into_the_preset(path: Path) -> None:
    for flags in ({"model": "lseg-vitb32", "model.image.long_side_px": 320}, {"model.image.long_side_px": 320}):
        config = load_recipe(path, flags)
        preset = PRESETS[str(flags.get("model", "lseg-tiny"))]
        image = preset.image.model_copy(update={"long_side_px": 320})
        assert config.model == preset.model_copy(update={"image": image})
    with pytest.raises(LsegError, match="no preset 'lseg-huge'"):
        load_recipe(path, {"model": "lseg-huge", "model.name": "x"})


def test_a_key_with_dots_takes_a_mapping_whole_and_leaves_the_layers_alone() -> None:
    base: dict[str, Any] = {"data": [{"path": "x"}], "optimizer": {"name": "adamw", "momentum": 0.5}}
    regularizer = {"model.regularizer": {"kind": "depthwise", "depth": 1}}
    config = compose([base, regularizer, {"optimizer.momentum": 0.1}])
    assert config.model_config_of().regularizer == RegularizerConfig(kind="depthwise", depth=1)
    assert (config.optimizer.name, config.optimizer.momentum) == ("adamw", 0.1)
    assert base["optimizer"] == {"name": "adamw", "momentum": 0.5}


@pytest.mark.parametrize("data", [None, []])
def test_without_data_there_is_nothing_to_train_on(data: object) -> None:
    with pytest.raises(LsegError, match="nothing to train on"):
        load_recipe(None, {"data": data})


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"epoch": 3}, "'epoch' cannot be used"),
        ({"epochs": 0}, r"'epochs' cannot be used.*given: 0"),
        ({"optimizer.learning_rat": 3}, r"'optimizer\.learning_rat' cannot be used"),
        ({"augment.crop_px": 100}, r"'augment\.crop_px' cannot be used.*32"),
        ({"precision": "int8"}, r"'precision' cannot be used.*int8"),
        ({"data": [{"path": "x", "weight": 0}]}, r"'data\.0\.weight' cannot be used"),
    ],
)
def test_what_a_recipe_does_not_take_is_named(path: Path, flags: dict[str, object], sentence: str) -> None:
    with pytest.raises(LsegError, match=sentence):
        load_recipe(path, flags)


@pytest.mark.parametrize("text", ["optimizer: sgd", "optimizer:", "optimizer: [1]"])
def test_a_key_that_should_hold_others_is_named(path: Path, text: str) -> None:
    path.write_text(f"data: [{{path: x}}]\n{text}\n")
    with pytest.raises(LsegError, match="'optimizer'"):
        load_recipe(path, {"optimizer.learning_rate": 0.1})


def test_settings_are_keys_and_yaml() -> None:
    texts = ["checkpointing=true", "optimizer.momentum= 0.5", "augment.scale=[1, 2]", "labels.synonyms=a=b.yaml"]
    settings = parse_settings(texts)
    assert list(settings.values()) == [True, 0.5, [1, 2], "a=b.yaml"]
    assert load_recipe(None, {"data": [{"path": "x"}], **settings}).augment.scale == (1, 2)
    for text, sentence in (("epochs", "sets nothing"), ("=3", "sets nothing"), ("a=[", "is not valid YAML")):
        with pytest.raises(LsegError, match=sentence):
            parse_settings([text])


def test_a_sweep_is_no_recipe(path: Path) -> None:
    path.write_text("variants: {a: {}}")
    with pytest.raises(LsegError, match="is a sweep of several trainings: lseg sweep"):
        load_recipe(path, {})


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "words"])
def test_a_recipe_that_is_no_mapping_is_told(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(LsegError, match="it must be a mapping"):
        load_recipe(path, {})


def test_a_recipe_that_cannot_be_read_is_told(tmp_path: Path, path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml cannot be read: No such file"):
        load_recipe(tmp_path / "none.yaml", {})
    for content in (b"data: [", b"\xff\xfe\x80"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"recipe\.yaml is not valid YAML"):
            load_recipe(path, {})


def test_recipes_that_are_shipped_load() -> None:
    recipes = sorted((Path(__file__).parents[2] / "recipes").rglob("train.yaml"))
    assert recipes
    for recipe in recipes:
        assert load_recipe(recipe, {}).model_config_of()


def test_an_unknown_preset_is_told() -> None:
    with pytest.raises(LsegError, match="no preset 'lseg-huge'; there are lseg-vitl16"):
        TrainConfig(model="lseg-huge", data=DATA).model_config_of()
