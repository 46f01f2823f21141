"""`lseg build`: an exported ONNX file -> a TensorRT engine with its sidecar."""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.interrupt import interruptible
from lseg_cli.console.building import show_building, show_engine
from lseg_cli.console.terminal import Console
from lseg_cli.errors import LsegError, MismatchError, MissingError
from lseg_cli.files import staged
from lseg_engines.tensorrt.options import BuildOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from lseg_cli.contract import Engine
    from lseg_engines.tensorrt.sidecar import Check, Sidecar

Source = Annotated[str, typer.Argument(metavar="FILE", help="An .onnx file of lseg export.")]
Target = Annotated[
    str | None,
    options.option("-o", "--out", metavar="FILE", help="The .engine file to write. Default: <file>.engine here."),
]
Verify = Annotated[bool, options.option(help="Where a GPU is: compare with the ONNX file; else no engine is left.")]


def build(  # noqa: PLR0913, PLR0917  an option is a parameter
    file: Source,
    out: Target = None,
    trt: engine_options.Trt = False,
    rtx: engine_options.Rtx = False,
    max_batch: engine_options.MaxBatch = BuildOptions.max_batch,
    max_labels: engine_options.MaxLabels = BuildOptions.max_labels,
    opt_batch: engine_options.OptBatch = None,
    opt_labels: engine_options.OptLabels = None,
    max_size: engine_options.MaxSize = None,
    workspace: engine_options.Workspace = None,
    opt_level: engine_options.OptLevel = None,
    timing_cache: engine_options.TimingCache = None,
    sm: engine_options.Sm = None,
    tf32: engine_options.Tf32 = BuildOptions.is_tf32,
    version_compatible: engine_options.VersionCompatible = BuildOptions.is_version_compatible,
    hardware_compatible: engine_options.HardwareCompatible = BuildOptions.is_hardware_compatible,
    verify: Verify = True,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Build a TensorRT engine from an exported ONNX file; a JSON file beside it says what it is.

    Example: lseg build tiny.onnx --rtx -o tiny.engine
    """
    flavour = engine_options.choose_flavour(trt, rtx)
    if flavour is None:
        raise LsegError("Give --rtx (TensorRT for RTX GPUs, builds here) or --trt (builds on the GPU that runs it).")
    job = BuildOptions(
        flavour=flavour,
        max_batch=max_batch,
        max_labels=max_labels,
        opt_batch=opt_batch,
        opt_labels=opt_labels,
        max_side_px=max_size,
        workspace_gib=workspace,
        opt_level=opt_level,
        timing_cache=timing_cache,
        sm=sm or (),
        is_tf32=tf32,
        is_version_compatible=version_compatible,
        is_hardware_compatible=hardware_compatible,
    )
    source, console = Path(file), Console(quiet, verbose, json)
    target = Path(out or f"{source.stem}.engine")
    check_names(source, target)
    with staged(target) as draft:
        sidecar = build_file(source, draft, job, relative_name(source, target), None, console)
        if verify:
            from lseg_engines.ort.engine import OnnxEngine

            sidecar = verify_engine(draft, sidecar, lambda: OnnxEngine.open(source, "cpu"), "ONNX Runtime", console)
    show_engine(target, sidecar, console)


def check_names(source: Path, target: Path) -> None:
    """Whether a file can be built from, and one can be written.

    Raises:
        LsegError: no such file, or a name of another kind.
        MismatchError: it is no ONNX file.
        MissingError: it cannot be read.
    """
    from lseg_engines.opener import kind_of

    check_target(target)
    if not source.is_file():
        raise LsegError(f"There is no file {source}; give an .onnx file of `lseg export`.")
    if kind_of(source) != "onnx":
        raise MismatchError(f"{source} is no ONNX file; for a model, `lseg export` takes --rtx and --trt.")


def check_target(target: Path) -> None:
    """Whether a name is one of an engine.

    Raises:
        LsegError: it is not.
    """
    if target.suffix.lower() != ".engine":
        raise LsegError(f"The file to write is {target}; its name must end with .engine.")


def relative_name(onnx: Path, engine: Path) -> str | None:
    """Where an ONNX file lies as seen from an engine's folder; None if that cannot be said."""
    try:
        return os.path.relpath(onnx.resolve(), engine.parent.resolve())
    except ValueError:  # on another drive
        return None


def build_file(
    source: Path, draft: Path, job: BuildOptions, onnx_name: str | None, onnx_check: "Check | None", console: Console
) -> "Sidecar":
    """Builds an engine and shows how far it is; ends the program if a signal comes.

    Args:
        source: the ONNX file.
        draft: of the engine.
        job: what kind of engine.
        onnx_name: the ONNX file as seen from where the engine will lie; None if it will not be kept.
        onnx_check: how near the ONNX file is to the model.
        console: to show it on.

    Raises:
        LsegError: as `build_engine`.
    """
    from lseg_engines.tensorrt.builder import Cancelled, build_engine

    # A signal must not raise: it would do so inside TensorRT, which cannot be unwound.
    with interruptible() as interrupt, show_building(console) as show:

        def report(phase: str, share: float) -> bool:
            show(phase, share)
            return not interrupt()

        with contextlib.suppress(Cancelled):
            sidecar = build_engine(source, draft, job, report, onnx_name, onnx_check)
    if interrupt():
        raise typer.Exit(interrupt.exit_code)
    return sidecar


def verify_engine(
    draft: Path, sidecar: "Sidecar", open_reference: "Callable[[], Engine]", against: str, console: Console
) -> "Sidecar":
    """Runs an engine beside what it was made from, and looks at its precision; where it cannot run, says so.

    Args:
        draft: of the engine.
        sidecar: of the engine.
        open_reference: what it must answer as.
        against: what to call that.
        console: to show it on.

    Raises:
        VerificationError: it answers otherwise, or computes in another precision than its graph.
    """
    from lseg_cli.exporting.parity import check, compare, count_corners, summarize
    from lseg_engines.doctor.nvidia_driver import find_gpus
    from lseg_engines.tensorrt.engine import TensorrtEngine
    from lseg_engines.tensorrt.precision import check_precisions
    from lseg_engines.tensorrt.sidecar import Check, IncompatibleEngineError, write_sidecar

    try:
        engine = TensorrtEngine.open(draft)
    except (MissingError, IncompatibleEngineError) as error:
        console.note(f"The engine was not run: {error}" if find_gpus() else "Not run: here is no NVIDIA GPU.")
        return sidecar
    found = engine.find_precisions()
    check_precisions(found, engine.precision)
    corners = list(console.track(compare(open_reference(), engine), count_corners(engine.spec)))
    check(corners, "fp16" if sidecar.build.options.is_tf32 else engine.precision)
    update = {"found_precisions": found, "engine_check": Check(against=against, **summarize(corners))}
    sidecar = sidecar.model_copy(update=update)
    write_sidecar(sidecar, draft)
    return sidecar
