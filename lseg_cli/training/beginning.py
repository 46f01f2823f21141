"""Where training begins: with random weights of a preset, with a whole model, or with a run that was stopped."""

from collections.abc import Callable
from pathlib import Path

from lseg_cli.config import PRESETS, TrainConfig, preset
from lseg_cli.errors import DataError, LsegError
from lseg_cli.model.header import read_model_config
from lseg_cli.training.recipe import FINE_TUNING, Keys, compose, read_recipe
from lseg_cli.training.state import RunFolder


def begin(config: Path | None, model: str | None, from_scratch: bool, find: Callable[[str], Path]) -> tuple[Keys, str]:
    """Return the keys that lie below a recipe's, and a sentence that says where training begins.

    A model with weights brings its shape, its weights and the defaults of fine-tuning; a preset without any its shape.

    Args:
        config: the recipe's file; its `start` counts where no model is named.
        model: a name or a file; None: as the recipe says.
        from_scratch: take only the preset's shape.
        find: a model's name or path -> its .safetensors file.

    Raises:
        LsegError: no such model or preset, or one that cannot be trained.
    """
    start = model or str(read_recipe(config).get("start", "") if config else "")
    if not start:
        return {}, ""
    if from_scratch:
        return {"model": preset(start).name}, ""
    try:
        path = find(start)
    except LsegError:
        if start not in PRESETS:
            raise
        return {"model": start}, f"{start} has no weights on this machine: its decoder begins with random ones."
    shape = read_model_config(path)
    keys = {**FINE_TUNING, "model": shape.model_dump(mode="json"), "start": str(path.absolute())}
    return keys, f"Training begins with {start}: all its weights are taken over; its text encoder stays as it is."


def resumed_recipe(run: Path, flags: Keys) -> TrainConfig:
    """Return the recipe of a run that goes on, with flags on top.

    Args:
        run: its folder.
        flags: None means not given.

    Raises:
        DataError: there is no such run.
    """
    folder = RunFolder(run)
    if not folder.state_file.is_file():
        raise DataError(f"{run} holds no training run to resume: {folder.state_file.name} is missing.")
    given = {key: value for key, value in flags.items() if value is not None}
    return compose([folder.recipe().model_dump(mode="json"), given])
