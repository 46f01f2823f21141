"""The bundled model is there twice: for PyTorch, and as the graph that was exported from it.

ONNX Runtime segments a picture in two thirds of PyTorch's time on a CPU, starts in a fraction of a second and is all
that a plain installation has; the masks are the same. PyTorch is for what ONNX Runtime cannot do here: a GPU without
ONNX Runtime's own CUDA libraries, half precision, Apple's GPUs.
"""

from pathlib import Path

from lseg_cli import extras
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import MissingError
from lseg_cli.weights import WEIGHTS_DIR
from lseg_engines.doctor.nvidia_driver import find_gpus

BUNDLED = "lseg-tiny"
SOURCE = WEIGHTS_DIR / f"{BUNDLED}.safetensors"
GRAPH = WEIGHTS_DIR / f"{BUNDLED}.onnx"


def bundled_file(choice: EngineChoice) -> Path:
    """The file of the bundled model that a choice of engine runs.

    Raises:
        MissingError: it is not here.
    """
    path = SOURCE if wants_torch(choice) else GRAPH
    if not path.is_file():
        raise MissingError(f"The bundled model {path} is not here; reinstall lseg-cli, or give a file with --model.")
    return path


def wants_torch(choice: EngineChoice) -> bool:
    """Whether PyTorch is asked for, or what only PyTorch does: half precision, mps, CUDA where it is installed."""
    if choice.kind != "auto":
        return choice.kind == "torch"
    if choice.precision != "fp32" or choice.device == "mps":
        return True
    has_gpu = choice.device.startswith("cuda") or (choice.device == "auto" and bool(find_gpus()))
    return has_gpu and extras.has("torch")
