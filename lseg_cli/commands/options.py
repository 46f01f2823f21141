"""Every option that commands share, written once. Each can also be set as LSEG_SEGMENT_LABELS and so on.

What belongs to a machine rather than to a run has a variable for all commands besides, such as LSEG_DEVICE.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from lseg_cli import engine_choice
from lseg_cli.commands.label_words import whole_variable
from lseg_cli.commands.parsing import (
    parse_device,
    parse_size,
)

# Panels of --help, in the order in which they are first met.
MASKS = "Masks"
MACHINE = "Network and machine"
FILMS = "Films"
RUN = "Many pictures"
MESSAGES = "Messages"


def option(*names: str, **settings: Any) -> Any:
    """Return Typer's description of an option. Its variable is not listed in --help, for every option has one.

    Args:
        names: such as '-o', '--out'; none: made of the parameter's name.
        settings: as of `typer.Option`.
    """
    return typer.Option(*names, show_envvar=False, **settings)


def _stay_offline(wanted: bool) -> bool:
    """Tells the hub's client, and all that asks `is_offline`, before any of it is imported."""
    if wanted:
        os.environ["HF_HUB_OFFLINE"] = "1"
    return wanted


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="PATHS",
        help="Pictures, folders, films, a camera (0) or stream (rtsp://host), patterns such as 'in/**/*.jpg', "
        "s3://bucket/in, @list.txt, or - for stdin.",
    ),
]
Labels = Annotated[
    list[str],
    option(
        "-l",
        "--labels",
        metavar="WORDS",
        callback=whole_variable,
        help="The labels: words such as 'sky,road,other', synonyms as road=road|street, a file as @labels.txt (or "
        ".json, .yaml), a vocabulary, or a known set such as ade20k or coco.",
    ),
]
Model = Annotated[
    str,
    option(
        "-m",
        "--model",
        metavar="MODEL",
        envvar="LSEG_MODEL",
        help="A name of lseg models, or a .safetensors, .onnx or .engine file.",
    ),
]
Out = Annotated[str, option("-o", "--out", metavar="FOLDER", help="Folder for the results.")]

Template = Annotated[
    list[str] | None,
    option(
        metavar="TEXT",
        rich_help_panel=MASKS,
        help="Prompt template such as 'a photo of a {}'; {} is replaced by the label. Repeat to average several.",
    ),
]

ImageSize = Annotated[
    Any,  # int | tuple[int, int] | None, a union that Typer does not take
    option(
        metavar="N|HxW",
        parser=parse_size,
        rich_help_panel=MACHINE,
        help="Long side of the network's input in pixels, or its height x width. Default: the model's.",
    ),
]
Engine = Annotated[
    engine_choice.EngineKind,
    option(
        metavar="KIND",
        rich_help_panel=MACHINE,
        help="Runtime: torch (.safetensors files), onnx or openvino (.onnx), trt (.engine); auto: by the file. The "
        "bundled model runs in each but trt.",
    ),
]
Device = Annotated[
    str,
    option(
        "-d",
        "--device",
        metavar="DEVICE",
        envvar="LSEG_DEVICE",
        parser=parse_device,
        autocompletion=lambda: list(engine_choice.DEVICE_KINDS),
        rich_help_panel=MACHINE,
        help="auto, cpu, cuda, cuda:1, mps, or one of ONNX Runtime's such as coreml.",
    ),
]
Precision = Annotated[
    engine_choice.Precision,
    option(
        metavar="KIND",
        envvar="LSEG_PRECISION",
        rich_help_panel=MACHINE,
        help="fp32; or on CUDA fp16 or bf16.",
    ),
]
Threads = Annotated[
    int | None,
    option(
        metavar="N",
        min=1,
        envvar="LSEG_THREADS",
        rich_help_panel=MACHINE,
        help="CPU threads. Default: all cores.",
    ),
]
Offline = Annotated[
    bool,
    option(
        "--offline",
        envvar="LSEG_OFFLINE",
        callback=_stay_offline,
        help="Download nothing; the same as HF_HUB_OFFLINE=1.",
    ),
]

Workers = Annotated[
    int | None,
    option(
        "-j",
        "--workers",
        metavar="N",
        min=1,
        rich_help_panel=RUN,
        help="Threads that read pictures, and as many that write. Default: one per core.",
    ),
]
Overwrite = Annotated[bool, option("--overwrite", rich_help_panel=RUN, help="Replace the results of an earlier run.")]

Metrics = Annotated[
    Path | None,
    option(
        metavar="FILE",
        rich_help_panel=MESSAGES,
        help="Keep the run's figures in a Prometheus text file, such as run.prom.",
    ),
]
Json = Annotated[bool, option("--json", rich_help_panel=MESSAGES, help="Report as JSON lines on stdout.")]
Quiet = Annotated[bool, option("-q", "--quiet", rich_help_panel=MESSAGES, help="Print errors only.")]
Verbose = Annotated[
    bool,
    option(
        "-v",
        "--verbose",
        rich_help_panel=MESSAGES,
        help="Print a line for each picture, and tracebacks of bugs.",
    ),
]
