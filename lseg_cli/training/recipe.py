"""Recipes: a training run as YAML, with the command line's flags on top."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lseg_cli.config import TrainConfig
from lseg_cli.errors import DataError, LsegError


def load_recipe(path: Path | None, flags: Mapping[str, object]) -> TrainConfig:
    """The recipe of a file, or an empty one, with flags on top.

    Args:
        path: a YAML file of `TrainConfig`'s keys; None for none.
        flags: keys with dots for nesting ('optimizer.learning_rate'); None means not given.

    Raises:
        DataError: the file cannot be read or is no YAML.
        LsegError: a key or value that a recipe does not take; names the first of them.
    """
    recipe = {} if path is None else _read(path)
    for key, value in flags.items():
        if value is not None:
            *outer, last = key.split(".")
            place = recipe
            for name in outer:
                place = place.setdefault(name, {})
                if not isinstance(place, dict):
                    raise LsegError(f"The recipe's '{name}' is {place!r}; to take '{key}' it must hold keys.")
            place[last] = value
    if not recipe.get("data"):
        raise LsegError("There is nothing to train on: name a dataset.yaml with --data, or a recipe with --config.")
    try:
        return TrainConfig.model_validate(recipe)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LsegError(
            f"The recipe's '{where}' cannot be used: {first['msg']} (given: {first['input']!r})."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"The recipe {path} is no YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(recipe, dict):
        raise LsegError(f"The recipe {path} holds {type(recipe).__name__}; it must be a mapping of keys to values.")
    return recipe
