"""A model of this tool -> a checkpoint in the layout of the original project, for those who need it."""

import json
from pathlib import Path

import torch
from torch import Tensor

from lseg_cli.errors import MismatchError
from lseg_cli.files import staged
from lseg_cli.model.checkpoint import KEPT, TOWER, read_tensors
from lseg_cli.model.header import read_config
from lseg_cli.model.published.conversion import ORIGIN_KEY, VISUAL
from lseg_cli.model.published.names import CLIP, original_name


def write_original(model_path: Path, path: Path) -> list[str]:
    """Writes a model's file in the layout of the original project, as torch saves it; whole or not at all.

    Args:
        model_path: a `.safetensors` model of this tool.
        path: of the checkpoint.

    Returns:
        Notices: what the original would miss.

    Raises:
        DataError: the model cannot be read.
        MismatchError: it is not a model of this tool, or one that the original has no names for.
        LsegError: `path` cannot be written, or the disk is full.
    """
    tensors, metadata = read_tensors(model_path)
    read_config(model_path, metadata)
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        key = _original_key(name)
        if key is None:
            raise MismatchError(f"{model_path} cannot be written for the original project: it has no name for {name}.")
        state[key] = tensor
    envelope = json.loads(metadata.get(ORIGIN_KEY, "{}")).get("envelope", {})
    with staged(path) as draft, draft.open("wb") as file:
        torch.save(envelope | {"state_dict": state}, file)
    if any(key.startswith(VISUAL) for key in state):
        return []
    return [
        "Tensors that nothing uses are not in it: the original loads it with strict=False, or convert with --keep-dead."
    ]


def _original_key(name: str) -> str | None:
    if name.startswith(KEPT):
        return name.removeprefix(KEPT)
    if name.startswith(TOWER):
        return CLIP + name.removeprefix(TOWER)
    return original_name(name)
