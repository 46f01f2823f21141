"""Which engine runs a model: told by what the user wrote behind `--model`."""

from pathlib import Path

from lseg_cli.contract import Engine
from lseg_cli.errors import LsegError, MissingError
from lseg_cli.weights import WEIGHTS_DIR

BUNDLED = "lseg-tiny"


def find_model(model: str) -> Path:
    """The file of a bundled model's name or of a path.

    Raises:
        LsegError: neither a bundled model nor a file.
        MissingError: a bundled model whose file is not here, or a kind of file that cannot be opened.
    """
    path = WEIGHTS_DIR / f"{BUNDLED}.safetensors" if model == BUNDLED else Path(model)
    if model == BUNDLED and not path.exists():
        raise MissingError(f"The bundled model {path} is not here; reinstall lseg-cli, or give a file with --model.")
    if not path.is_file():
        raise LsegError(f"There is no model {model!r}; give {BUNDLED} or the path of a .safetensors file.")
    if path.suffix.lower() != ".safetensors":
        raise MissingError(f"{path} cannot be opened: this version runs .safetensors models, and no other files.")
    return path


def open_engine(model: str, device: str, precision: str, threads: int | None) -> Engine:
    """An engine that is ready to run.

    Args:
        model: a bundled model's name or a path.
        device: 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'.
        precision: 'fp32', 'fp16' or 'bf16'.
        threads: of the CPU; None: the runtime's choice.

    Raises:
        LsegError: as `find_model`, or as the engine.
    """
    path = find_model(model)
    from lseg_engines.torch_engine import TorchEngine  # noqa: PLC0415  seconds; a wrong name is told before

    return TorchEngine.open(path, device, precision, threads)
