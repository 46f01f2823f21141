"""`lseg export`: a model -> one file that runs anywhere, with the labels as an input; or a TensorRT engine."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.build import watched
from lseg_cli.commands.parsing import parse_fixed_size
from lseg_cli.console.building import show_engine
from lseg_cli.console.exporting import show_export
from lseg_cli.console.terminal import Console
from lseg_cli.errors import LsegError
from lseg_cli.exporting.options import Companions, Verification  # noqa: TID253  imports nothing
from lseg_engines.tensorrt.options import BuildOptions  # noqa: TID253  imports nothing
from lseg_export.options import ExportOptions  # noqa: TID253  imports nothing

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
    Path | None,
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
    from lseg_cli.exporting.export import check_calibration, export_engine, export_graph
    from lseg_engines.opener import find_model

    check_calibration(precision, calibrate)
    wanted = ExportOptions(imgsz, dynamic_size, precision, opset, slim)
    source, console = find_model(model), Console(quiet, verbose, json)
    verification = Verification(verify, verify_images or calibrate, threads)
    flavour = engine_options.choose_flavour(trt, rtx)
    if flavour is None:
        target, companions = Path(out or f"{source.stem}.onnx"), Companions(with_text_encoder, triton)
        spec, corners = export_graph(source, target, wanted, calibrate, verification, companions, console)
        show_export(target, spec, precision, corners, console)
        return
    if calibrate or with_text_encoder or triton:
        raise LsegError("--calibrate, --with-text-encoder and --triton are for .onnx files; omit them here.")
    engine = BuildOptions(
        flavour=flavour,
        max_batch=max_batch,
        max_labels=max_labels,
        workspace_gib=workspace,
        opt_level=opt_level,
        timing_cache=timing_cache,
        sm=sm or (),
    )
    target = Path(out or f"{source.stem}.engine")
    watch = partial(watched, console)
    sidecar = export_engine(source, target, wanted, engine, keep_onnx, verification, console, watch)
    show_engine(target, sidecar, console)
