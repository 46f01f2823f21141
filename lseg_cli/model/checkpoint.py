"""A model in one `.safetensors` file: weights, and the configuration as JSON in the header's metadata. No pickle."""

import errno
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lseg_cli.config import TextConfig
from lseg_cli.contract import CONFIG_KEY, TOWER_KEY
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.files import staged
from lseg_cli.model.header import check_readable, read_config
from lseg_cli.model.lseg import LSeg, build
from lseg_cli.reading import reading

TOWER = "text."  # of the names of the text encoder's tensors, where a model file brings them
KEPT = "original."  # of tensors that nothing uses, kept for the way back to another layout


def save_model(
    model: LSeg, path: Path, half: bool = False, tower_of: Path | None = None, text: TextConfig | None = None
) -> None:
    """Writes the model and its configuration; the file appears whole or not at all.

    Args:
        model: from `build` or `load_model`.
        path: of the `.safetensors` file.
        half: store float16 instead of float32, for half the size.
        tower_of: a model's file whose text encoder goes into this one too; None, or without one there: none.
        text: the encoder of its labels; None: that of its configuration.
    """
    state = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")  # BatchNorm has a momentum: the count is never read
    }
    config, metadata = model.config.model_copy(update={"text": text or model.config.text}), {}
    if tower_of is not None:
        tensors, found = read_tensors(tower_of)
        if TOWER_KEY in found:
            state |= {name: tensor for name, tensor in tensors.items() if name.startswith(TOWER)}
            metadata = {TOWER_KEY: found[TOWER_KEY]}
            config = config.model_copy(update={"text": config.text.model_copy(update={"weights": ""})})
    write_tensors(state, {CONFIG_KEY: config.model_dump_json(), **metadata}, path)


def write_tensors(tensors: dict[str, Tensor], metadata: dict[str, str], path: Path) -> None:
    """Write a safetensors file whole: a crash leaves the old file, never half of the new one. Raises as `staged`."""
    with staged(path) as draft:
        draft.touch()
        mode = draft.stat().st_mode  # as the umask says; safetensors would leave a file for its owner alone
        try:
            save_file(tensors, draft, {"format": "pt", **metadata})
        except SafetensorError as error:  # whatever the system said, as text
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error
        draft.chmod(mode)


def read_tensors(path: Path, skip: tuple[str, ...] = ()) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, on the CPU, but for names that begin with `skip`; and its metadata.

    Raises:
        DataError: no such file, or it is not a safetensors file.
    """
    check_readable(path)
    with reading(path, "is not a whole safetensors file", DataError), safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if not name.startswith(skip)]  # noqa: SIM118
        return {name: file.get_tensor(name) for name in names}, file.metadata() or {}


def load_model(path: Path) -> LSeg:
    """The model of a file, in evaluation mode, float32.

    Raises:
        DataError: no such file, or not a safetensors file.
        MismatchError: not a model of this tool, or its tensors do not fit its configuration.
    """
    state, metadata = read_tensors(path, skip=(TOWER, KEPT))
    config = read_config(path, metadata)
    wanted: Mapping[str, Tensor] | None = None
    with suppress(LsegError), torch.device("meta"):  # without memory: a configuration can claim any size
        wanted = build(config).state_dict()  # some encoders need numbers while they are built: checked below then
    if wanted is not None:
        check_fits(wanted, state, str(path))
    try:
        model = build(config)
    except LsegError as error:
        raise MismatchError(f"{path} was written by another version of this tool: {error}") from error
    load_weights(model, state, str(path))
    return model.eval()


def load_weights(model: torch.nn.Module, state: dict[str, Tensor], origin: str) -> None:
    """Puts tensors into a module as float32; every one must fit.

    Raises:
        MismatchError: a tensor is missing, left over or has another shape; says which, and where it comes from.
    """
    wanted = check_fits(model.state_dict(), state, origin)
    floats = {k: v.float() if v.is_floating_point() else v for k, v in state.items() if k in wanted}
    model.load_state_dict(floats, strict=False)


def check_fits(needed: Mapping[str, Tensor], state: Mapping[str, Tensor], origin: str) -> dict[str, torch.Size]:
    """Return whether tensors are those that a model needs, by name and shape; the model's own may have no memory.

    Returns:
        The shapes that are needed, by name.

    Raises:
        MismatchError: as `load_weights`.
    """
    wanted = {k: v.shape for k, v in needed.items() if not k.endswith("num_batches_tracked")}
    given = {k: v.shape for k, v in state.items() if not k.endswith("num_batches_tracked")}
    wrong = sorted(k for k in wanted.keys() | given.keys() if wanted.get(k) != given.get(k))
    if wrong:
        name = wrong[0]
        raise MismatchError(
            f"{len(wrong)} tensors of {origin} do not fit, first {name}: the file has {_shape(given.get(name))}, "
            f"the model needs {_shape(wanted.get(name))}."
        )
    return wanted


def _shape(shape: torch.Size | None) -> str:
    return "nothing" if shape is None else str(tuple(shape))
