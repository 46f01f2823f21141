"""An exported ONNX file -> a TensorRT engine with its sidecar, compared with the file where a GPU is."""

import os
from pathlib import Path

from lseg_cli.errors import LsegError, MismatchError
from lseg_cli.exporting.options import check_name
from lseg_cli.exporting.reporter import Reporter, Watch
from lseg_cli.exporting.verify import verify_engine
from lseg_cli.files import staged
from lseg_engines.opener import kind_of
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.tensorrt.builder import build_engine
from lseg_engines.tensorrt.options import BuildOptions
from lseg_engines.tensorrt.sidecar import Check, Sidecar


def build_file(
    source: Path, target: Path, options: BuildOptions, verify: bool, reporter: Reporter, watch: Watch
) -> Sidecar:
    """Build an engine from an ONNX file; nothing is left if it does not answer as the file.

    Args:
        source: an ONNX file of `lseg export`.
        target: the `.engine` file to write.
        options: what kind of engine.
        verify: compare it, where it can run.
        reporter: receives the progress.
        watch: receives TensorRT's progress.

    Raises:
        LsegError: no such file, or a name of another kind; or as `build_engine`.
        MismatchError: the file is not an ONNX file.
        VerificationError: the answers differ by more than the precision allows.
    """
    check_name(target, ".engine")
    if not source.is_file():
        raise LsegError(f"There is no file {source}; give an .onnx file of `lseg export`.")
    if kind_of(source) != "onnx":
        raise MismatchError(f"{source} is not an ONNX file; for a model, `lseg export` takes --rtx and --trt.")
    with staged(target) as draft:
        sidecar = build_onnx(source, draft, options, _relative_name(source, target), None, watch)
        if verify:
            sidecar = verify_engine(draft, sidecar, lambda: OnnxEngine.open(source, "cpu"), "ONNX Runtime", reporter)
    return sidecar


def build_onnx(
    source: Path, draft: Path, options: BuildOptions, onnx_name: str | None, onnx_check: Check | None, watch: Watch
) -> Sidecar:
    """Build an engine and show how far it is.

    Args:
        source: the ONNX file.
        draft: of the engine.
        options: what kind of engine.
        onnx_name: the ONNX file as seen from where the engine will lie; None if it will not be kept.
        onnx_check: how near the ONNX file is to the model.
        watch: is told; ends the program if it is to stop, once TensorRT has let go.

    Raises:
        LsegError: as `build_engine`.
    """
    with watch() as report:
        sidecar = build_engine(source, draft, options, report, onnx_name, onnx_check)
    return sidecar


def _relative_name(onnx: Path, engine: Path) -> str | None:
    """Where an ONNX file lies as seen from an engine's folder; None if that cannot be said."""
    try:
        return os.path.relpath(onnx.resolve(), engine.parent.resolve())
    except ValueError:  # on another drive
        return None
