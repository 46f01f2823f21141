"""What a `.safetensors` model says of itself: its header alone, without PyTorch and without its weights."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lseg_cli.config import ModelConfig
from lseg_cli.contract import CONFIG_KEY, TOWER_KEY, parse_config
from lseg_cli.errors import DataError, MismatchError
from lseg_cli.files import open_regular
from lseg_cli.reading import parse_json, reading

_MOST_HEADER = 100_000_000  # bytes: the limit of safetensors itself


def read_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: its length in eight bytes, then JSON.

    Raises:
        DataError: there is no such file.
        MismatchError: it is damaged.
    """
    try:
        file = open_regular(path)
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    with file, reading(path, "is damaged: its header cannot be read"):
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_MOST_HEADER, path.stat().st_size):
            raise ValueError("it is cut off")
        header: dict[str, Any] = parse_json(file.read(length))
        metadata = header.setdefault("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("its metadata are not texts")
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
    config = parse_config(metadata[CONFIG_KEY], path)
    if TOWER_KEY not in metadata:
        return config
    return config.model_copy(update={"text": config.text.model_copy(update={"weights": str(path.absolute())})})
