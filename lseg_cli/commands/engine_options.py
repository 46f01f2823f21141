"""The options of `lseg build` and `lseg export` that say what a TensorRT engine is to be, written once."""

from typing import Annotated, Any, Literal

from lseg_cli.commands.options import MACHINE, option
from lseg_cli.commands.parsing import parse_sm
from lseg_cli.errors import LsegError

ENGINE = "TensorRT engine"  # a panel of --help

Trt = Annotated[
    bool, option("--trt", rich_help_panel=ENGINE, help="Build a TensorRT engine, on the GPU that is to run it.")
]
Rtx = Annotated[
    bool,
    option("--rtx", rich_help_panel=ENGINE, help="Build an engine of TensorRT for RTX GPUs; needs no GPU here."),
]
MaxBatch = Annotated[int, option(metavar="N", min=1, rich_help_panel=ENGINE, help="Largest batch, in pictures.")]
MaxLabels = Annotated[int, option(metavar="N", min=1, rich_help_panel=ENGINE, help="Largest number of labels.")]
OptBatch = Annotated[
    int | None, option(metavar="N", rich_help_panel=ENGINE, help="Batch that it is tuned for. Default: 1.")
]
OptLabels = Annotated[
    int | None, option(metavar="N", rich_help_panel=ENGINE, help="Number of labels that it is tuned for. Default: 32.")
]
MaxSize = Annotated[
    int | None,
    option(
        metavar="N",
        rich_help_panel=ENGINE,
        help="Longest side in pixels, for graphs of any size. Default: what the model was trained for.",
    ),
]
Workspace = Annotated[
    float | None,
    option(metavar="GiB", rich_help_panel=ENGINE, help="Most scratch memory that a layer may take."),
]
OptLevel = Annotated[
    int | None,
    option(
        metavar="N",
        rich_help_panel=ENGINE,
        help="How long to search for fast kernels, 0 to 5. Default: TensorRT's.",
    ),
]
TimingCache = Annotated[
    str | None,
    option(
        metavar="FILE",
        rich_help_panel=ENGINE,
        help="With --trt: reuse kernel timings and add to them; version and GPU are added to the name.",
    ),
]
Sm = Annotated[
    Any,  # tuple[int, ...], whose length Typer would ask for
    option(
        metavar="75,86",
        parser=parse_sm,
        rich_help_panel=ENGINE,
        help="With --rtx: compute capabilities to build for. Default: every GPU since Ampere.",
    ),
]
Tf32 = Annotated[
    bool,
    option(
        "--tf32",
        rich_help_panel=ENGINE,
        help="Round factors of fp32 products to ten bits: faster, with nearly the same labels.",
    ),
]
VersionCompatible = Annotated[
    bool,
    option("--version-compatible", rich_help_panel=ENGINE, help="With --trt: later versions of TensorRT can run it."),
]
HardwareCompatible = Annotated[
    bool,
    option("--hardware-compatible", rich_help_panel=ENGINE, help="With --trt: every GPU since Ampere can run it."),
]
Rebuild = Annotated[
    Literal["never", "auto"],
    option(
        metavar="WHEN",
        rich_help_panel=MACHINE,
        help="never, or auto: build a TensorRT engine again if it does not fit this GPU or version.",
    ),
]


def choose_flavour(trt: bool, rtx: bool) -> Literal["trt", "rtx"] | None:
    """Return which of the two was asked for, if any.

    Raises:
        LsegError: both.
    """
    if trt and rtx:
        raise LsegError("--trt and --rtx cannot be combined; give one of them.")
    return "trt" if trt else "rtx" if rtx else None
