"""`lseg export`: a model -> one file that runs anywhere, with the labels as an input."""

from pathlib import Path
from typing import Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.commands.verification import quantize_file, verify_export, write_text_encoder
from lseg_cli.console.exporting import show_export
from lseg_cli.console.terminal import Console
from lseg_cli.errors import LsegError
from lseg_export.options import ExportOptions  # noqa: TID253  imports nothing

Source = Annotated[str, typer.Argument(metavar="MODEL", help="The bundled model's name, or a .safetensors file.")]
Target = Annotated[
    str | None,
    typer.Option(
        "-o", "--out", metavar="FILE", show_envvar=False, help="The .onnx file to write. Default: <model>.onnx here."
    ),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        metavar="N|HxW",
        show_envvar=False,
        help="The pictures' one size: N x N, or height x width; others are squashed to it. Default: the model's.",
    ),
]
DynamicSize = Annotated[
    bool,
    typer.Option(
        "--dynamic-size", show_envvar=False, help="Any height and width in multiples of 32: pictures keep their aspect."
    ),
]
Precision = Annotated[
    str,
    typer.Option(metavar="KIND", show_envvar=False, help="fp32, fp16 or bf16 (GPUs), or int8 (CPUs; --calibrate)."),
]
Calibrate = Annotated[
    str | None,
    typer.Option(metavar="DIR", show_envvar=False, help="Pictures like those to come, to measure ranges for int8."),
]
VerifyImages = Annotated[
    str | None,
    typer.Option(
        metavar="DIR", show_envvar=False, help="Pictures to compare on. Default: those of --calibrate, or made ones."
    ),
]
Slim = Annotated[bool, typer.Option("--slim", show_envvar=False, help="Simplify the graph with onnxslim.")]
TextEncoder = Annotated[
    bool,
    typer.Option(
        "--with-text-encoder",
        show_envvar=False,
        help="Write <name>.text.onnx as well: token ids in, label embeddings out.",
    ),
]
Triton = Annotated[
    str | None,
    typer.Option(metavar="DIR", show_envvar=False, help="Put it into a model repository of Triton as well."),
]
Opset = Annotated[int, typer.Option(metavar="N", show_envvar=False, help="Of the ONNX standard, 18 to 22.")]
Verify = Annotated[
    bool, typer.Option(show_envvar=False, help="Compare with PyTorch; no file is left if the answers differ.")
]


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
    verify: Verify = True,
    verify_images: VerifyImages = None,
    threads: options.Threads = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Export a model to ONNX: pictures and embedded labels in, masks out. Any labels, one file.

    Example: lseg export lseg-tiny -o tiny.onnx
    """
    from lseg_cli.inference.runner import parse_size
    from lseg_engines.opener import find_model
    from lseg_export.onnx_file import export_onnx, staged
    from lseg_export.triton import add_to_repository

    size = parse_size(imgsz)
    job = ExportOptions((size, size) if isinstance(size, int) else size, dynamic_size, precision, opset, slim)
    if (precision == "int8") != bool(calibrate):
        raise LsegError(
            "--precision int8 and --calibrate DIR belong together: int8 needs pictures to measure ranges on."
        )
    source = find_model(model)
    target = Path(out or f"{source.stem}.onnx")
    if target.suffix.lower() != ".onnx":
        raise LsegError(f"The file to write is {target}; its name must end with .onnx.")
    console = Console(quiet, verbose, json)
    with staged(target) as draft:
        spec = export_onnx(source, draft, job)
        if calibrate:
            quantize_file(draft, spec, calibrate)
        pictures = verify_images or calibrate
        corners = verify_export(source, draft, precision, threads, pictures, console) if verify else None
        if with_text_encoder:
            write_text_encoder(spec, draft, opset, verify, console)
    if triton:
        add_to_repository(target, Path(triton), spec)
    show_export(target, spec, precision, corners, console)
