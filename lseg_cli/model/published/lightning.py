"""A checkpoint as PyTorch Lightning writes it, read without running anything that is in it.

Such a file is a pickle, and a pickle is a program. Torch's own reader for tensors (`weights_only`) refuses all classes
but its own; Lightning uses a few more as mere names or records: the class of a callback is a key of `callbacks`. Those
are listed here one by one, and each becomes something inert; Lightning itself need not be installed.
"""

import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import safe_globals

from lseg_cli.errors import DataError, MismatchError
from lseg_cli.files import file_sha256, open_regular
from lseg_cli.model.archive import check_sizes, is_torchscript, is_whole_zip, open_archive


class _Inert:
    """Stands for an object or a class of Lightning's: takes what it is given and does nothing."""

    def __init__(self, *_arguments: object, **_named: object) -> None: ...


_PACKAGES = ("pytorch_lightning", "lightning.pytorch")
_ALLOWED: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_Inert, "argparse.Namespace"),
    *((_Inert, f"{package}.callbacks.model_checkpoint.ModelCheckpoint") for package in _PACKAGES),
    *((_Inert, f"{package}.callbacks.early_stopping.EarlyStopping") for package in _PACKAGES),
    *((dict, f"{package}.utilities.parsing.AttributeDict") for package in _PACKAGES),
]
_FACTS = ("epoch", "global_step", "pytorch-lightning_version")  # of the envelope; kept for the way back
_REFUSED = re.compile(r"GLOBAL (\S+)")  # in what torch's reader raises
_HTML = re.compile(rb"\s*<(?:!doctype|html|head|\?xml)", re.IGNORECASE)


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    Attributes:
        path: of the file.
        sha256: of its bytes.
        state: its tensors by name, mapped from the disk where the file allows it.
        facts: of the envelope, such as the epoch.
        left_out: names of the envelope's other parts, such as `optimizer_states`.
    """

    path: Path
    sha256: str
    state: dict[str, Tensor]
    facts: dict[str, int | str]
    left_out: tuple[str, ...]


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a training checkpoint, or a bare state dict, that torch saved.

    Raises:
        DataError: there is no such file, or it is cut off or damaged.
        MismatchError: it is another kind of file, or holds objects that are not on the list.
    """
    content = _load(path)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise MismatchError(f"{path} holds no model: there is no dictionary of tensors in it.")
    check_sizes(path, {str(name): tensor for name, tensor in state.items()}, DataError)
    envelope = content if "state_dict" in content else {}
    facts = {name: envelope[name] for name in _FACTS if isinstance(envelope.get(name), int | str)}
    left_out = tuple(str(name) for name in envelope if name != "state_dict" and name not in facts)
    return Checkpoint(path, file_sha256(path), dict(state), facts, left_out)


def _load(path: Path) -> Any:
    try:
        with open_regular(path) as file:
            head = file.read(512)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    _check_kind(path, head)
    try:
        with safe_globals(_ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=head.startswith(b"PK"))
    except pickle.UnpicklingError as error:
        refused = _REFUSED.search(str(error))
        if refused is None:
            raise DataError(f"{path} is damaged: it cannot be read to its end. Fetch it again.") from error
        raise MismatchError(
            f"{path} was refused and nothing in it was run: it holds {refused[1]}, and only tensors and a few records "
            "of PyTorch Lightning are read, for other objects can run code."
        ) from error
    except Exception as error:  # whatever it is: nothing of ours runs in there
        raise DataError(f"{path} is damaged: it cannot be read to its end. Fetch it again.") from error


def _check_kind(path: Path, head: bytes) -> None:
    """Check what the first bytes show."""
    if _HTML.match(head):
        raise DataError(f"{path} is a web page and no checkpoint: the server answered with a text. Fetch it again.")
    if head[8:9] == b"{":
        raise MismatchError(f"{path} is a safetensors file; give a checkpoint of the original project (.ckpt).")
    if head.startswith(b"PK") and not is_whole_zip(path):
        raise DataError(f"{path} is cut off: its end is missing. Fetch it again.")
    if not head.startswith((b"PK", b"\x80")):
        raise MismatchError(f"{path} is not a checkpoint: torch did not write it.")
    if head.startswith(b"PK"):
        with open_archive(path, DataError) as archive:
            names, is_program = archive.namelist(), is_torchscript(archive)
        if is_program:
            raise MismatchError(f"{path} is a TorchScript program and no checkpoint; it was not run.")
        if not any(name.endswith("data.pkl") for name in names):
            raise MismatchError(f"{path} is an archive, but torch did not write it; give a .ckpt file.")
