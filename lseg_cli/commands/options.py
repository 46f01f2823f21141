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
    parse_batch,
    parse_device,
    parse_failures,
    parse_kinds,
    parse_pixels,
    parse_shard,
    parse_size,
    parse_time,
)
from lseg_cli.results.kinds import EXTRAS, FORMATS  # noqa: TID253  imports nothing
from lseg_cli.runs import shard  # noqa: TID253  imports nothing
from lseg_cli.runs.failure_limit import FailureLimit  # noqa: TID253  imports nothing

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
        help="Pictures, folders, films, patterns such as 'in/**/*.jpg', s3://bucket/in, @list.txt, or - for stdin.",
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

Save = Annotated[
    list[Any] | None,  # of tuples: see `lseg_cli.commands.parsing.joined`
    option(
        metavar="KINDS",
        parser=parse_kinds("--save", EXTRAS),
        autocompletion=lambda: list(EXTRAS),
        rich_help_panel=MASKS,
        help="Files beside the masks: overlay (to look at), cutout (see --cutout), conf (confidence), probs (of all "
        "labels, at half the network's size), embeddings (for relabel, at a quarter of it). By commas, or repeat.",
    ),
]
Format = Annotated[
    list[Any] | None,  # of tuples
    option(
        metavar="KINDS",
        parser=parse_kinds("--format", FORMATS),
        autocompletion=lambda: list(FORMATS),
        rich_help_panel=MASKS,
        help="Formats beside the PNG masks, by commas: npy, binary (a black and white PNG per label), coco-rle, "
        "coco-polygons, coco-panoptic, geojson, labelme, cvat, yolo, csv.",
    ),
]
Palette = Annotated[
    str | None,
    option(
        metavar="FILE|none",
        rich_help_panel=MASKS,
        help="Colours of the labels: a .yaml or .json file with lines such as sky: '#4682b4'; none: plain grey masks.",
    ),
]
Template = Annotated[
    list[str] | None,
    option(
        metavar="TEXT",
        rich_help_panel=MASKS,
        help="Prompt template such as 'a photo of a {}'; {} is replaced by the label. Repeat to average several.",
    ),
]
Cutout = Annotated[
    list[str] | None,
    option(
        metavar="WORDS",
        rich_help_panel=MASKS,
        help="Labels to cut out of the pictures, such as person,car: RGBA with a soft edge, in cutouts/.",
    ),
]
MinConfidence = Annotated[
    float,
    option(
        metavar="P",
        min=0.0,
        max=1.0,
        rich_help_panel=MASKS,
        help="Pixels of less confidence get the ignore id (255, or 65535) instead of a label.",
    ),
]
MinMargin = Annotated[
    float,
    option(
        metavar="P",
        min=0.0,
        max=1.0,
        rich_help_panel=MASKS,
        help="Pixels whose best two labels differ by less in probability get the ignore id.",
    ),
]
TopK = Annotated[
    int,
    option(
        metavar="K",
        min=1,
        rich_help_panel=MASKS,
        help="Above 1: also write the K best labels of every pixel (topk/NAME.npz); up to 1,000: with probabilities.",
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
Tile = Annotated[
    int | None,
    option(
        metavar="PX",
        rich_help_panel=MACHINE,
        help="Cut larger pictures into tiles of this side, at full resolution unless --imgsz is given.",
    ),
]
Overlap = Annotated[
    int | None,
    option(
        metavar="PX",
        rich_help_panel=MACHINE,
        help="Overlap in pixels, where tiles are blended. Default: an eighth of the tile.",
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
Batch = Annotated[
    int | None,
    option(
        "-b",
        "--batch",
        metavar="N|auto",
        parser=parse_batch,
        rich_help_panel=MACHINE,
        help="Pictures of one shape per network call. Default: auto, 1 on the CPU, else 8.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    option(
        metavar="PATTERN",
        help="Leave out files and folders of this name inside folders, such as '*_mask.png' or old. Repeat for more.",
        rich_help_panel=RUN,
    ),
]
Recursive = Annotated[
    bool,
    option("--recursive", help="A list may name a folder that holds the list itself.", rich_help_panel=RUN),
]
MaxPixels = Annotated[
    float,  # megapixels
    option(
        metavar="N",
        parser=parse_pixels,
        show_default=False,
        rich_help_panel=MACHINE,
        help="Reject pictures whose header claims more pixels, such as 512M or 400000000. Default: 512M.",
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

Fps = Annotated[
    float | None,
    option(metavar="N", min=0.001, rich_help_panel=FILMS, help="Frames of a second of film. Default: all."),
]
Every = Annotated[
    int | None,
    option(metavar="N", min=1, rich_help_panel=FILMS, help="Only every N-th frame."),
]
Start = Annotated[
    float,
    option(
        metavar="TIME",
        parser=parse_time,
        rich_help_panel=FILMS,
        show_default=False,
        help="Where to begin, as seconds (90.5) or 1:30.5.",
    ),
]
End = Annotated[
    float | None,
    option(metavar="TIME", parser=parse_time, rich_help_panel=FILMS, help="Where to end. Default: the film's end."),
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
Shard = Annotated[
    shard.Shard | None,
    option(
        metavar="I/N",
        parser=parse_shard,
        rich_help_panel=RUN,
        help="Take only the I-th of N shares, for N processes or machines on one output folder.",
    ),
]
Ray = Annotated[
    str | None,
    option(
        metavar="ADDRESS",
        rich_help_panel=RUN,
        help="Use a Ray cluster, whose machines share the folders: its address; local: this machine; auto: the "
        "cluster that is running, else local.",
    ),
]
RayWorkers = Annotated[
    int | None,
    option(
        metavar="N",
        min=1,
        rich_help_panel=RUN,
        help="With --ray: processes, each with its own engine. Default: one per GPU, or per 4 cores.",
    ),
]
Resume = Annotated[
    bool,
    option(
        rich_help_panel=RUN,
        help="Continue an earlier run in the folder; otherwise its results are moved to previous-1.",
    ),
]
Overwrite = Annotated[bool, option("--overwrite", rich_help_panel=RUN, help="Replace the results of an earlier run.")]
MaxFailures = Annotated[
    FailureLimit | None,
    option(
        metavar="N|P%",
        parser=parse_failures,
        rich_help_panel=RUN,
        help="Stop with exit code 8 when more pictures fail.",
    ),
]
FailFast = Annotated[bool, option("--fail-fast", rich_help_panel=RUN, help="Stop at the first failure.")]
IgnoreFailures = Annotated[
    bool,
    option("--ignore-failures", rich_help_panel=RUN, help="Exit with 0 although some pictures failed."),
]

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
