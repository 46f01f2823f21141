"""`lseg export`: a model -> one file that runs anywhere, with the labels as an input; or a TensorRT engine."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.build import build_file, check_target, verify_engine
from lseg_cli.commands.parsing import parse_fixed_size
from lseg_cli.console.building import show_engine
from lseg_cli.console.exporting import show_export
from lseg_cli.console.terminal import Console
from lseg_cli.errors import LsegError
from lseg_cli.files import staged
from lseg_engines.tensorrt.options import BuildOptions  # noqa: TID253  imports nothing
from lseg_export.options import ExportOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.exporting.parity import Corner

Source = Annotated[str, typer.Argument(metavar="MODEL", help="The bundled model's name, or a .safetensors file.")]
Target = Annotated[
    str | None,
    options.option(
        "-o",
        "--out",
        metavar="FILE",
        help="The .onnx (or .engine) file to write. Default: <model>.onnx here.",
    ),
]
ImageSize = Annotated[
    Any,  # tuple[int, int] | None
    options.option(
        parser=parse_fixed_size,
        metavar="N|HxW",
        help="The pictures' one size: N x N, or height x width; others are squashed to it. Default: the model's.",
    ),
]
DynamicSize = Annotated[
    bool,
    options.option("--dynamic-size", help="Any height and width in multiples of 32: pictures keep their aspect."),
]
Precision = Annotated[
    Literal["fp32", "fp16", "bf16", "int8"],
    options.option(metavar="KIND", help="fp32, fp16 or bf16 (GPUs), or int8 (CPUs; --calibrate)."),
]
Calibrate = Annotated[
    str | None,
    options.option(metavar="DIR", help="Pictures like those to come, to measure ranges for int8."),
]
VerifyImages = Annotated[
    str | None,
    options.option(metavar="DIR", help="Pictures to compare on. Default: those of --calibrate, or made ones."),
]
Slim = Annotated[bool, options.option("--slim", help="Simplify the graph with onnxslim.")]
TextEncoder = Annotated[
    bool,
    options.option(
        "--with-text-encoder",
        help="Write <name>.text.onnx as well: token ids in, label embeddings out.",
    ),
]
Triton = Annotated[
    str | None,
    options.option(metavar="DIR", help="Put it into a model repository of Triton as well."),
]
Opset = Annotated[int, options.option(metavar="N", help="Of the ONNX standard, 18 to 22.")]
Verify = Annotated[bool, options.option(help="Compare with PyTorch; no file is left if the answers differ.")]

KeepOnnx = Annotated[bool, options.option("--keep-onnx", help="Engines: leave the ONNX file beside the engine.")]


def export(  # noqa: PLR0913, PLR0917  an option is a parameter
    model: Source,
    out: Target = None,
    imgsz: ImageSize = None,
    dynamic_size: DynamicSize = ExportOptions.is_dynamic_size,
    precision: Precision = ExportOptions.precision,
    opset: Opset = ExportOptions.opset,
    calibrate: Calibrate = None,
    slim: Slim = ExportOptions.is_slim,
    with_text_encoder: TextEncoder = False,
    triton: Triton = None,
    trt: engine_options.Trt = False,
    rtx: engine_options.Rtx = False,
    keep_onnx: KeepOnnx = False,
    max_batch: engine_options.MaxBatch = BuildOptions.max_batch,
    max_labels: engine_options.MaxLabels = BuildOptions.max_labels,
    workspace: engine_options.Workspace = None,
    opt_level: engine_options.OptLevel = None,
    timing_cache: engine_options.TimingCache = None,
    sm: engine_options.Sm = None,
    verify: Verify = True,
    verify_images: VerifyImages = None,
    threads: options.Threads = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Export a model to ONNX: pictures and embedded labels in, masks out. Any labels, one file.

    With --rtx or --trt to a TensorRT engine; `lseg build` has finer options.

    Example: lseg export lseg-tiny -o tiny.onnx
    """
    from lseg_cli.exporting.verification import quantize_file, verify_export, write_text_encoder
    from lseg_engines.opener import find_model
    from lseg_export.onnx_file import export_onnx
    from lseg_export.triton import add_to_repository

    job = ExportOptions(imgsz, dynamic_size, precision, opset, slim)
    if (precision == "int8") != bool(calibrate):
        raise LsegError(
            "--precision int8 and --calibrate DIR belong together: int8 needs pictures to measure ranges on."
        )
    source = find_model(model)
    console = Console(quiet, verbose, json)
    pictures = verify_images or calibrate
    check = partial(verify_export, source, precision, threads, pictures, console) if verify else None
    flavour = engine_options.choose_flavour(trt, rtx)
    if flavour:
        engine_job = BuildOptions(
            flavour=flavour,
            max_batch=max_batch,
            max_labels=max_labels,
            workspace_gib=workspace,
            opt_level=opt_level,
            timing_cache=timing_cache,
            sm=sm or (),
        )
        target = Path(out or f"{source.stem}.engine")
        if calibrate or with_text_encoder or triton:
            raise LsegError("--calibrate, --with-text-encoder and --triton are for .onnx files; leave them out here.")
        export_engine(source, target, job, engine_job, keep_onnx, check, console)
        return
    target = Path(out or f"{source.stem}.onnx")
    if target.suffix.lower() != ".onnx":
        raise LsegError(f"The file to write is {target}; its name must end with .onnx.")
    with staged(target) as draft:
        spec = export_onnx(source, draft, job)
        if calibrate:
            quantize_file(draft, spec, calibrate)
        corners = check(draft) if check else None
        if with_text_encoder:
            write_text_encoder(spec, draft, opset, verify, console)
    if triton:
        add_to_repository(target, Path(triton), spec)
    show_export(target, spec, precision, corners, console)


def export_engine(
    source: Path,
    target: Path,
    job: ExportOptions,
    engine_job: BuildOptions,
    keep_onnx: bool,
    check: "Callable[[Path], list[Corner]] | None",
    console: Console,
) -> None:
    """Exports to ONNX in a hidden folder beside `target`, checks that as ever, and builds the engine from it.

    Raises:
        LsegError: as `export_onnx`, `verify_export` and `build_engine`.
    """
    from lseg_engines.tensorrt.builder import open_session

    check_target(target)
    open_session(engine_job)  # what is missing is told before the export, which takes minutes
    from lseg_engines.tensorrt.sidecar import Check
    from lseg_engines.torch_engine import TorchEngine
    from lseg_export.onnx_file import export_onnx

    with staged(target) as draft:
        onnx = draft.with_suffix(".onnx")
        export_onnx(source, onnx, job)
        onnx_check = None
        if check:
            from lseg_cli.exporting.parity import summarize

            onnx_check = Check(against="PyTorch", **summarize(check(onnx)))
        sidecar = build_file(onnx, draft, engine_job, onnx.name if keep_onnx else None, onnx_check, console)
        if check:
            sidecar = verify_engine(draft, sidecar, lambda: TorchEngine.open(source, "cpu"), "PyTorch", console)
        if not keep_onnx:
            for file in draft.parent.glob(f"{onnx.name}*"):
                file.unlink()
    show_engine(target, sidecar, console)
