"""`lseg build`: an exported ONNX file -> a TensorRT engine with its sidecar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.interrupt import interruptible
from lseg_cli.console.building import show_building, show_engine
from lseg_cli.console.terminal import Console
from lseg_cli.errors import LsegError
from lseg_engines.tensorrt.options import BuildOptions  # noqa: TID253  imports nothing

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
    from lseg_cli.exporting.build import build_file

    flavour = engine_options.choose_flavour(trt, rtx)
    if flavour is None:
        raise LsegError("Give --rtx (TensorRT for RTX GPUs, builds here) or --trt (builds on the GPU that runs it).")
    wanted = BuildOptions(
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
    show_engine(target, build_file(source, target, wanted, verify, console, partial(watched, console)), console)


@contextmanager
def watched(console: Console) -> Iterator[Callable[[str, float], bool]]:
    """Shows how far TensorRT is, and ends the program after it has let go if a signal has come.

    A signal must not raise at once: it would do so inside TensorRT, which cannot be unwound.
    """
    from lseg_engines.tensorrt.builder import Cancelled

    with interruptible() as interrupt, show_building(console) as show:

        def report(phase: str, share: float) -> bool:
            show(phase, share)
            return not interrupt()

        with suppress(Cancelled):
            yield report
    if interrupt():
        raise typer.Exit(interrupt.exit_code)
