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
from lseg_cli.exporting.options import (  # noqa: TID253  imports nothing
    Companions,
    Verification,
    check_calibration,
    check_flags,
    check_name,
)
from lseg_cli.extras import require
from lseg_engines.tensorrt.options import BuildOptions  # noqa: TID253  imports nothing
from lseg_export.options import GraphOptions  # noqa: TID253  imports nothing

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
        help="One size of the pictures: N x N, or height x width; other pictures are padded to it. Default: any size; "
        "for engines the model's.",
    ),
]
DynamicSize = Annotated[
    bool,
    options.option(
        "--dynamic-size", help="Engines: pictures of any size up to --max-size. ONNX files take any size by default."
    ),
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
    bool | None,
    options.option(
        "--with-text-encoder/--no-text-encoder",
        show_default=False,
        help="Write <name>.text.onnx as well, which embeds any words without PyTorch. Default: if the model has one.",
    ),
]
Triton = Annotated[
    Path | None,
    options.option(metavar="DIR", help="Put it into a model repository of Triton as well."),
]
Opset = Annotated[int, options.option(metavar="N", help="Of the ONNX standard, 18 to 22.")]
Verify = Annotated[bool, options.option(help="Compare with PyTorch; delete the file on mismatch.")]

KeepOnnx = Annotated[bool, options.option("--keep-onnx", help="Engines: leave the ONNX file beside the engine.")]


def export(  # noqa: PLR0913, PLR0917  an option is a parameter
    model: Source,
    out: Target = None,
    imgsz: ImageSize = None,
    dynamic_size: DynamicSize = False,
    precision: Precision = GraphOptions.precision,
    opset: Opset = GraphOptions.opset,
    calibrate: Calibrate = None,
    slim: Slim = GraphOptions.is_slim,
    with_text_encoder: TextEncoder = None,
    triton: Triton = None,
    trt: engine_options.Trt = False,
    rtx: engine_options.Rtx = False,
    keep_onnx: KeepOnnx = False,
    max_batch: engine_options.MaxBatch = BuildOptions.max_batch,
    max_labels: engine_options.MaxLabels = BuildOptions.max_labels,
    max_size: engine_options.MaxSize = None,
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
    from lseg_cli.exporting.source import find_source, usual_size, wants_text_encoder

    flavour = engine_options.choose_flavour(trt, rtx)
    engine_flags = {"--max-size": max_size, "--keep-onnx": keep_onnx}
    check_flags(flavour is not None, engine_flags, {"--calibrate": calibrate, "--triton": triton})
    check_calibration(precision, calibrate)
    if imgsz and dynamic_size:
        raise LsegError("A graph has either one size or any; give --imgsz or --dynamic-size.")
    source, console = find_source(model), Console(quiet, verbose, json)
    tower = wants_text_encoder(source, with_text_encoder)
    target = Path(out or f"{source.stem}{'.engine' if flavour else '.onnx'}")
    check_name(target, ".engine" if flavour else ".onnx")
    require("torch", "lseg export")
    from lseg_cli.exporting.export import export_engine, export_graph

    size = imgsz or (usual_size(source) if flavour and not dynamic_size else None)
    wanted = GraphOptions(size, precision, opset, slim)
    verification = Verification(verify, verify_images or calibrate, threads)
    companions = Companions(tower, bool(with_text_encoder), triton, keep_onnx)
    if flavour is None:
        spec, corners = export_graph(source, target, wanted, calibrate, verification, companions, console)
        show_export(target, spec, precision, corners, console)
        return
    engine = BuildOptions(
        flavour=flavour,
        max_batch=max_batch,
        max_labels=max_labels,
        max_side_px=max_size,
        workspace_gib=workspace,
        opt_level=opt_level,
        timing_cache=timing_cache,
        sm=sm or (),
    )
    watch = partial(watched, console)
    sidecar = export_engine(source, target, wanted, engine, verification, companions, console, watch)
    show_engine(target, sidecar, console)
