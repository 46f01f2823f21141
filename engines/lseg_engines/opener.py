"""Which engine runs a model: told by the content of its file, whatever it is called."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from lseg_cli.contract import Engine, Output
from lseg_cli.errors import LsegError, MismatchError, MissingError
from lseg_cli.model.published.zoo import PUBLISHED
from lseg_cli.weights import WEIGHTS_DIR
from lseg_engines.tensorrt.sidecar import IncompatibleEngineError, sidecar_path

BUNDLED = "lseg-tiny"
ModelKind = Literal["safetensors", "onnx", "engine"]

_KIND_OF_ENGINE = {"torch": "safetensors", "onnx": "onnx", "trt": "engine"}


def find_model(model: str) -> Path:
    """The file of a bundled or published model's name, or of a path.

    Raises:
        LsegError: neither a model's name nor a file.
        MissingError: a bundled model whose file is not here, or a published one that was not pulled.
    """
    path = WEIGHTS_DIR / f"{BUNDLED}.safetensors" if model == BUNDLED else Path(model)
    if model in PUBLISHED and not path.is_file():
        path = PUBLISHED[model].path
        if not path.is_file():
            raise MissingError(f"The published model {model} is not on this machine; run lseg models pull {model}.")
    if model == BUNDLED and not path.exists():
        raise MissingError(f"The bundled model {path} is not here; reinstall lseg-cli, or give a file with --model.")
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
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from error
    if head[8:9] == b"{":  # after the eight bytes of the header's length, its JSON
        return "safetensors"
    if head[:1] == b"\x08" and len(head) == 16:  # protobuf's field 1, a number: the version of the format
        return "onnx"
    # After the first letter, which tells TensorRT from TensorRT-RTX; or whatever a version of theirs may write.
    if head[1:4] == b"trt" or sidecar_path(path).is_file():
        return "engine"
    raise MismatchError(
        f"{path} is no model of this tool: it is neither a safetensors nor an ONNX file, nor a TensorRT engine."
    )


def require_engine(model: str, engine: str) -> None:
    """Whether a model runs in the engine that was asked for: a file's kind settles it.

    Args:
        model: a bundled model's name or a path.
        engine: 'auto', 'torch', 'onnx' or 'trt'.

    Raises:
        LsegError: no such engine; or as `find_model`.
        MismatchError: the file is of another kind.
    """
    if engine == "auto":
        return
    if engine not in _KIND_OF_ENGINE:
        raise LsegError(f"The engine {engine!r} is not known; choose auto, {', '.join(_KIND_OF_ENGINE)}.")
    path = find_model(model)
    kind = kind_of(path)
    if kind != _KIND_OF_ENGINE[engine]:
        raise MismatchError(
            f"{path} is of the kind .{kind}, and --engine {engine} runs .{_KIND_OF_ENGINE[engine]} files; leave "
            "--engine away, or give such a file."
        )


def open_engine(
    model: str,
    device: str,
    precision: str,
    threads: int | None,
    rebuild: bool = False,
    outputs: Collection[Output] | None = None,
) -> Engine:
    """An engine that is ready to run.

    Args:
        model: a bundled model's name or a path.
        device: 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'; for ONNX also what its runtime offers.
        precision: 'fp32', 'fp16' or 'bf16'; an ONNX file and an engine have the one they were exported with.
        threads: of the CPU; None: the runtime's choice.
        rebuild: build a TensorRT engine again that another TensorRT or another GPU was meant to run.
        outputs: all that will ever be asked for, where an engine would compute the others too; None: any.

    Raises:
        LsegError: as `find_model` and `kind_of`, or as the engine.
        MismatchError: the file has another precision than the one asked for.
    """
    path = find_model(model)
    # Each runtime takes seconds to import: a wrong name is told before, and only the one that runs is imported.
    kind = kind_of(path)
    if kind == "safetensors":
        from lseg_engines.torch_engine import TorchEngine  # noqa: PLC0415

        return TorchEngine.open(path, device, precision, threads)
    engine = _open_onnx(path, device, threads, outputs) if kind == "onnx" else _open_tensorrt(path, device, rebuild)
    if precision not in ("fp32", engine.precision):
        raise MismatchError(
            f"{path} is {engine.precision}, settled when it was exported; for {precision} export it again."
        )
    return engine


def _open_onnx(path: Path, device: str, threads: int | None, outputs: Collection[Output] | None) -> Engine:
    from lseg_engines.ort.engine import OnnxEngine  # noqa: PLC0415

    return OnnxEngine.open(path, device, threads, outputs)


def _open_tensorrt(path: Path, device: str, rebuild: bool) -> Engine:
    from lseg_engines.tensorrt.engine import TensorrtEngine  # noqa: PLC0415

    try:
        return TensorrtEngine.open(path, device)
    except IncompatibleEngineError:
        if not rebuild:
            raise
    from lseg_engines.tensorrt.builder import rebuild_engine  # noqa: PLC0415

    rebuild_engine(path)
    return TensorrtEngine.open(path, device)
