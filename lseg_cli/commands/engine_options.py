"""The options of `lseg build` and `lseg export` that say what a TensorRT engine is to be, written once."""

from typing import Annotated, Literal

import typer

from lseg_cli.errors import LsegError

Trt = Annotated[
    bool, typer.Option("--trt", show_envvar=False, help="A TensorRT engine, built on the GPU that is to run it.")
]
Rtx = Annotated[
    bool,
    typer.Option("--rtx", show_envvar=False, help="An engine of TensorRT for RTX GPUs, built here, with or without."),
]
MaxBatch = Annotated[int, typer.Option(metavar="N", min=1, show_envvar=False, help="Engines: most pictures at a time.")]
MaxLabels = Annotated[int, typer.Option(metavar="N", min=1, show_envvar=False, help="Engines: most labels.")]
OptBatch = Annotated[
    int | None, typer.Option(metavar="N", show_envvar=False, help="The number of pictures it is tuned for. Default: 1.")
]
OptLabels = Annotated[
    int | None, typer.Option(metavar="N", show_envvar=False, help="The number of labels it is tuned for. Default: 32.")
]
MaxSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_envvar=False,
        help="The longest side in pixels, for graphs of any size. Default: what the model was trained for.",
    ),
]
Workspace = Annotated[
    float | None,
    typer.Option(metavar="GiB", show_envvar=False, help="Engines: most memory that a layer may take for itself."),
]
OptLevel = Annotated[
    int | None,
    typer.Option(
        metavar="N", show_envvar=False, help="Engines: how long to look for fast kernels, 0 to 5. Default: TensorRT's."
    ),
]
TimingCache = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        show_envvar=False,
        help="--trt: timings to take from and to add to; the version and the GPU are added to the name.",
    ),
]
Sm = Annotated[
    str | None,
    typer.Option(
        metavar="75,86,…",
        show_envvar=False,
        help="--rtx: compute capabilities to build for. Default: every GPU from Ampere on.",
    ),
]
Tf32 = Annotated[
    bool,
    typer.Option(
        "--tf32", show_envvar=False, help="Let products of fp32 be rounded to ten bits: faster, labels nearly the same."
    ),
]
VersionCompatible = Annotated[
    bool, typer.Option("--version-compatible", show_envvar=False, help="--trt: later versions run it as well.")
]
HardwareCompatible = Annotated[
    bool, typer.Option("--hardware-compatible", show_envvar=False, help="--trt: every GPU from Ampere on runs it.")
]
Rebuild = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        show_envvar=False,
        help="never, or auto: a TensorRT engine that does not fit this GPU or version is built again.",
    ),
]


def choose_flavour(trt: bool, rtx: bool) -> Literal["trt", "rtx"] | None:
    """Which of the two was asked for, if any.

    Raises:
        LsegError: both.
    """
    if trt and rtx:
        raise LsegError("An engine is built for one of both; give --trt or --rtx.")
    return "trt" if trt else "rtx" if rtx else None


def parse_sm(text: str | None) -> tuple[int, ...]:
    """`75,86` or `7.5,sm_86` -> (75, 86), each once.

    Raises:
        LsegError: something else.
    """
    parts = [part.strip().lower().removeprefix("sm").lstrip("_").replace(".", "") for part in (text or "").split(",")]
    if not all(part.isdecimal() for part in parts if part):
        raise LsegError(f"--sm {text!r} names no compute capabilities; write them as 75,86,89.")
    return tuple(dict.fromkeys(int(part) for part in parts if part))


def parse_rebuild(text: str) -> bool:
    """`auto` -> True, `never` -> False.

    Raises:
        LsegError: something else.
    """
    if text not in ("auto", "never"):
        raise LsegError(f"--rebuild {text!r} cannot be; it is auto or never.")
    return text == "auto"
