"""The engine that runs a model: found by the content of its file, whatever it is called."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from lseg_cli.config import PRESETS
from lseg_cli.contract import Engine, Output
from lseg_cli.engine_choice import EngineChoice, EngineKind
from lseg_cli.errors import LsegError, MismatchError, MissingError
from lseg_cli.extras import require
from lseg_cli.files import open_regular
from lseg_cli.model.published.zoo import PUBLISHED
from lseg_engines.bundled import BUNDLED, SOURCE, bundled_file

ModelKind = Literal["safetensors", "onnx", "engine"]

_KIND_OF_ENGINE: dict[EngineKind, ModelKind] = {
    "torch": "safetensors",
    "onnx": "onnx",
    "openvino": "onnx",
    "trt": "engine",
}


def find_model(model: str) -> Path:
    """The file of a bundled or published model's name, or of a path; of the bundled model the one to train and export.

    Raises:
        LsegError: neither a model's name nor a file.
        MissingError: a bundled model whose file is not here, a published one that was not pulled, or a preset.
    """
    path = SOURCE if model == BUNDLED else Path(model)
    if model in PUBLISHED and not path.is_file():
        path = PUBLISHED[model].path
        if not path.is_file():
            raise MissingError(f"The published model {model} is not on this machine; run lseg models pull {model}.")
    if model == BUNDLED and not path.exists():
        raise MissingError(f"The bundled model {path} is not here; reinstall lseg-cli, or give a file with --model.")
    if model in PRESETS and not path.is_file():
        pulled = [name for name, each in PUBLISHED.items() if each.preset == model]
        ways = f"take published ones (lseg models pull {pulled[0]}, then -m {pulled[0]}), or " if pulled else ""
        raise MissingError(f"{model} is a preset without weights; {ways}train it (lseg train -m {model}).")
    if not path.is_file():
        raise LsegError(
            f"There is no model {model!r}; give {BUNDLED}, a name of lseg models, or the path of a .safetensors, .onnx "
            "or .engine file."
        )
    return path


def find_trainable(model: str) -> Path:
    """Return the .safetensors file of a model's name or path.

    Raises:
        LsegError: as `find_model`; or an exported file, which cannot be trained.
    """
    path = find_model(model)
    if kind_of(path) != "safetensors":
        raise LsegError(f"{path} was exported and cannot be trained; give the .safetensors file it was made from.")
    return path


def kind_of(path: Path) -> ModelKind:
    """What a model's file is.

    Raises:
        MismatchError: neither a safetensors nor an ONNX file, nor a TensorRT engine.
        MissingError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            head = file.read(16)
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from error
    if head[8:9] == b"{":  # after the eight bytes of the header's length, its JSON
        return "safetensors"
    if head[:1] == b"\x08" and len(head) == 16:  # protobuf's field 1, a number: the version of the format
        return "onnx"
    from lseg_engines.tensorrt.sidecar import sidecar_path  # noqa: PLC0415  as any runtime's

    # After the first letter, which tells TensorRT from TensorRT-RTX; or whatever a version of theirs may write.
    if head[1:4] == b"trt" or sidecar_path(path).is_file():
        return "engine"
    raise MismatchError(
        f"{path} is not a model of this tool: it is neither a safetensors nor an ONNX file, nor a TensorRT engine."
    )


def model_file(choice: EngineChoice) -> Path:
    """The file that a choice runs; raises as `find_model`."""
    return bundled_file(choice) if choice.model == BUNDLED else find_model(choice.model)


def engine_of(choice: EngineChoice) -> list[EngineKind]:
    """The engines that take the file of a choice, the usual one first; raises as `find_model` and `kind_of`."""
    kind = kind_of(model_file(choice))
    return [engine for engine, wanted in _KIND_OF_ENGINE.items() if wanted == kind]


def require_kind(choice: EngineChoice) -> None:
    """Require the model's file to be of the kind that was asked for; any kind if that is 'auto'.

    Raises:
        LsegError: as `find_model`.
        MismatchError: the file is of another kind.
    """
    if choice.kind == "auto":
        return
    if choice.kind not in engine_of(choice):
        path = model_file(choice)
        kind, wanted = kind_of(path), _KIND_OF_ENGINE[choice.kind]
        raise MismatchError(
            f"{path} is a .{kind} file, and --engine {choice.kind} runs .{wanted} files; omit --engine, or give such "
            "a file."
        )


def open_engine(choice: EngineChoice, rebuild: bool = False, outputs: Collection[Output] | None = None) -> Engine:
    """Return an engine that is ready to run.

    Args:
        choice: the model and how it is to be run; an ONNX file and a TensorRT engine have the precision they were
            exported with.
        rebuild: build a TensorRT engine again that another TensorRT or another GPU was meant to run.
        outputs: all that will ever be asked for, where an engine would compute the others too; None: any.

    Raises:
        LsegError: as `find_model` and `kind_of`, or as the engine.
        MismatchError: the file has another kind or precision than the one asked for.
    """
    require_kind(choice)
    path = model_file(choice)
    # Each runtime takes seconds to import: a wrong name is told before, and only the one that runs is imported.
    kind = kind_of(path)
    if kind == "safetensors":
        require("torch", f"A .safetensors model such as {path.name}")
        from lseg_engines.torch_engine import TorchEngine  # noqa: PLC0415

        return TorchEngine.open(path, choice.device, choice.precision, choice.threads)
    engine = _open_onnx(path, choice, outputs) if kind == "onnx" else _open_tensorrt(path, choice.device, rebuild)
    if choice.precision not in ("fp32", engine.precision):
        raise MismatchError(
            f"{path} was exported in {engine.precision}; to run it in {choice.precision}, export it again."
        )
    return engine


def _open_onnx(path: Path, choice: EngineChoice, outputs: Collection[Output] | None) -> Engine:
    if choice.kind == "openvino":
        from lseg_engines.openvino.engine import OpenVinoEngine  # noqa: PLC0415

        return OpenVinoEngine.open(path, choice.device, choice.threads)
    from lseg_engines.ort.engine import OnnxEngine  # noqa: PLC0415

    return OnnxEngine.open(path, choice.device, choice.threads, outputs)


def _open_tensorrt(path: Path, device: str, rebuild: bool) -> Engine:
    from lseg_engines.tensorrt.engine import TensorrtEngine  # noqa: PLC0415
    from lseg_engines.tensorrt.sidecar import IncompatibleEngineError  # noqa: PLC0415

    try:
        return TensorrtEngine.open(path, device)
    except IncompatibleEngineError:
        if not rebuild:
            raise
    from lseg_engines.tensorrt.builder import rebuild_engine  # noqa: PLC0415

    rebuild_engine(path)
    return TensorrtEngine.open(path, device, is_ours=True)
