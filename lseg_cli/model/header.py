"""The header of a `.safetensors` model, read without PyTorch and without the weights."""

from collections.abc import Mapping
from pathlib import Path

from lseg_cli.config import ModelConfig
from lseg_cli.contract import CONFIG_KEY, TOWER_KEY, parse_config
from lseg_cli.errors import DataError, MismatchError
from lseg_cli.files import open_regular
from lseg_cli.reading import SafetensorsHeader, read_safetensors_header, reading


def read_header(path: Path) -> SafetensorsHeader:
    """The header of a model's or a vocabulary's file.

    Raises:
        DataError: there is no such file.
        MismatchError: it is damaged.
    """
    check_readable(path)
    with reading(path, "is damaged: its header cannot be read"):
        return read_safetensors_header(path)


def check_readable(path: Path) -> None:
    """Check that a path is a regular file that can be read; raises DataError if not."""
    try:
        open_regular(path).close()
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def read_model_config(path: Path) -> ModelConfig:
    """The configuration of a model's file, without its weights.

    Raises:
        DataError: there is no such file.
        MismatchError: it is damaged, or not a model of this tool.
    """
    return read_config(path, read_header(path).metadata)


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
