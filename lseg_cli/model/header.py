"""What a `.safetensors` model says of itself: its header alone, without PyTorch and without its weights."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lseg_cli.config import ModelConfig
from lseg_cli.contract import CONFIG_KEY, TOWER_KEY
from lseg_cli.errors import DataError, MismatchError

_MOST_HEADER = 100_000_000  # bytes: the limit of safetensors itself


def read_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: its length in eight bytes, then JSON.

    Raises:
        DataError: there is no such file.
        MismatchError: it is damaged.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: dict[str, Any] = json.loads(file.read(min(length, _MOST_HEADER)))
    except OSError as error:
        raise DataError(f"There is no file {path}.") from error
    except (ValueError, struct.error) as error:
        raise MismatchError(f"{path} is damaged: its header cannot be read.") from error
    if not isinstance(header, dict):
        raise MismatchError(f"{path} is damaged: its header cannot be read.")
    return header


def read_model_config(path: Path) -> ModelConfig:
    """The configuration of a model's file, without its weights.

    Raises:
        DataError: there is no such file.
        MismatchError: it is damaged, or not a model of this tool.
    """
    return read_config(path, read_header(path).get("__metadata__", {}))


def read_config(path: Path, metadata: Mapping[str, str]) -> ModelConfig:
    """The configuration in the metadata of a model's file; it says so if the text encoder is in there too.

    Raises:
        MismatchError: there is none, or another version of this tool wrote it.
    """
    if CONFIG_KEY not in metadata:
        raise MismatchError(f"{path} holds tensors but no LSeg configuration: it is not a model of this tool.")
    try:
        config = ModelConfig.model_validate_json(metadata[CONFIG_KEY])
    except (ValidationError, json.JSONDecodeError) as error:
        raise MismatchError(f"{path} was written by another version of this tool: {error}") from error
    if TOWER_KEY not in metadata:
        return config
    return config.model_copy(update={"text": config.text.model_copy(update={"weights": str(path.absolute())})})
