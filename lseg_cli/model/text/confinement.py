"""The text encoders that a model's file may name: those in its own folder, and none that must be fetched.

A model is opened by whoever was handed one. Its configuration is data and may not reach for other files of this
machine, nor make it fetch something, unless the user has said so: by naming the encoder (`--text-encoder`), or in
LSEG_TEXT_ENCODERS, folders and names of encoders with commas between.
"""

import os
from pathlib import Path

from lseg_cli.config import TextConfig
from lseg_cli.errors import MismatchError
from lseg_cli.model.text.encoder_name import HF_HUB, LOCAL_DIR

VARIABLE = "LSEG_TEXT_ENCODERS"


def confined(config: TextConfig) -> TextConfig:
    """The configuration with whole paths in place of those that a model's file names, relative to its folder.

    Raises:
        MismatchError: a file names a path outside its folder, or something on the hub, that the user has not allowed.
    """
    if not config.home:
        return config
    if config.name.startswith(HF_HUB) and not may_fetch(config):
        raise MismatchError(
            f"The model names the text encoder {config.name}, which would be fetched from the hub: if you trust it, "
            f"say so with {VARIABLE}={config.name}."
        )
    update = {}
    if config.name.startswith(LOCAL_DIR):
        update["name"] = LOCAL_DIR + _place(config.name.removeprefix(LOCAL_DIR), config)
    if names_file(config):
        update["pretrained"] = _place(config.pretrained, config)
    return config.model_copy(update=update)


def names_file(config: TextConfig) -> bool:
    """Return whether the weights are named by a path, rather than by a tag of open_clip."""
    suffixes = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
    name = config.pretrained
    return bool(name) and (config.kind == "words" or name.endswith(suffixes) or "/" in name or "\\" in name)


def may_fetch(config: TextConfig) -> bool:
    """Return whether the weights may come from the network: the user named the encoder, or allowed it."""
    return not config.home or not {config.name, f"{config.name}/{config.pretrained}"}.isdisjoint(_allowed())


def _allowed() -> list[str]:
    return [each.strip() for each in os.environ.get(VARIABLE, "").split(",") if each.strip()]


def _place(name: str, config: TextConfig) -> str:
    """A path in full, if it lies, through all links, in the model's folder or in one that is allowed."""
    try:
        home = Path(config.home).resolve()
        path = (home / name).resolve()
        folders = [home, *(Path(each).expanduser().resolve() for each in _allowed())]
        is_inside = any(path == folder or folder in path.parents for folder in folders)
    except (OSError, ValueError, RuntimeError) as error:  # a NUL byte, a loop of links
        raise MismatchError(f"The model names the text encoder {name!r}, which is not a path.") from error
    if not is_inside:
        raise MismatchError(
            f"The model names a text encoder at {path}, outside its own folder {home}: if you trust it, say so with "
            f"{VARIABLE}={path if config.name.startswith(LOCAL_DIR) else path.parent}, or name it yourself with "
            "lseg labels compile --text-encoder."
        )
    return str(path)
