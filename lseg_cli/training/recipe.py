"""Recipes: a training run as YAML, with the command line's flags on top."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from reprlib import repr as short
from typing import Any

from pydantic import ValidationError

from lseg_cli.config import TrainConfig, preset
from lseg_cli.errors import LsegError
from lseg_cli.reading import parse_yaml, read_yaml, reading

Keys = Mapping[str, object]  # with dots for nesting: 'optimizer.learning_rate'


# What a small set and a trained model want, where recipe and flags say nothing else. On 60 pictures of CamVid an
# encoder that was trained too, with the statistics of four crops a step and a decoder's rate of 5e-4, forgot: MSRC's
# mIoU fell from 0.77 to 0.52 and CamVid's own from 0.64 to 0.62. Nothing begins with random weights here, so the
# decoder's rate is no higher than the encoder's.
FINE_TUNING: Keys = {
    "epochs": 20,
    "batch_size": 4,
    "average": 0.99,
    "freeze": "encoder",
    "keep": 1.0,
    "keep_statistics": True,
    "loss_stride": 2,
    "balance": 0.5,
    "optimizer": {"name": "adamw", "learning_rate": 1e-4, "head_factor": 1.0, "clip_norm": 1.0, "weight_decay": 1e-2},
    "augment": {"crop_px": 320, "jitter": 0.2},
}


def load_recipe(path: Path | None, flags: Keys, base: Keys | None = None) -> TrainConfig:
    """The recipe of a file, or an empty one, with flags on top.

    Args:
        path: a YAML file of `TrainConfig`'s keys; None for none.
        flags: None means not given.
        base: keys below those of the file, such as `FINE_TUNING`.

    Raises:
        DataError: the file cannot be read or is not valid YAML.
        LsegError: as `compose`.
    """
    recipe = {} if path is None else read_recipe(path)
    if "variants" in recipe:
        raise LsegError(f"{path} is a sweep of several trainings: lseg sweep {path}.")
    given = {key: value for key, value in flags.items() if value is not None}
    return compose([base or {}, recipe, given])


def compose(layers: Iterable[Keys]) -> TrainConfig:
    """A recipe from parts, each on top of those before. A key inside `model` goes into the preset that it names.

    Raises:
        LsegError: a key or value that a recipe does not take; names the first of them.
    """
    recipe: dict[str, Any] = {}
    for layer in layers:
        for key, value in _flat(layer):
            _put(recipe, key, deepcopy(value))
    if not recipe.get("data"):
        raise LsegError("There is nothing to train on: name a dataset.yaml with --data, or a recipe with --config.")
    try:
        return TrainConfig.model_validate(recipe)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LsegError(
            f"The recipe's '{where}' cannot be used: {first['msg']} (given: {short(first['input'])})."
        ) from error


def _flat(layer: Keys) -> Iterator[tuple[str, object]]:
    """Keys with dots, so that one key of `optimizer` leaves the others as they are; a model is one value."""
    for key, value in layer.items():
        if isinstance(value, Mapping) and key in {"optimizer", "augment", "labels"}:
            yield from ((f"{key}.{inner}", each) for inner, each in value.items())
        else:
            yield key, value


def parse_settings(texts: Iterable[str]) -> dict[str, object]:
    """Keys and values as the command line gives them: `optimizer.momentum=0.5`, the value as YAML.

    Raises:
        LsegError: it has no =, or no such value; says which.
    """
    settings: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise LsegError(f"'{text}' sets nothing: give a key of a recipe and its value, such as checkpointing=true.")
        with reading(f"The value of '{text}'", "is not valid YAML", LsegError):
            settings[key.strip()] = parse_yaml(value)
    return settings


def _put(recipe: dict[str, Any], key: str, value: object) -> None:
    *outer, last = key.split(".")
    section = recipe
    for name in outer:
        inner = section.setdefault(name, TrainConfig.model_fields["model"].default if name == "model" else {})
        if name == "model" and isinstance(inner, str):
            inner = section[name] = preset(inner).model_dump(mode="json")
        if not isinstance(inner, dict):
            raise LsegError(f"The recipe's '{name}' is {inner!r}; to take '{key}' it must hold keys.")
        section = inner
    section[last] = value


def read_recipe(path: Path) -> dict[str, Any]:
    """What a recipe's file holds, unchecked.

    Raises:
        DataError: it cannot be read or is not valid YAML.
        LsegError: it holds no keys.
    """
    recipe = read_yaml(path, "The recipe")
    if not isinstance(recipe, dict):
        raise LsegError(f"The recipe {path} holds {type(recipe).__name__}; it must be a mapping of keys to values.")
    return recipe
