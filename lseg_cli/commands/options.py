"""Every option that commands share, written once. Each can also be set as LSEG_SEGMENT_LABELS and so on.

What belongs to a machine rather than to a run has a variable for all commands besides, such as LSEG_DEVICE.
"""

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from lseg_cli.commands.label_words import whole_variable

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="PATHS",
        help="Pictures, folders, patterns such as 'in/**/*.jpg', s3://bucket/in, @list.txt, or - for stdin.",
    ),
]
Labels = Annotated[
    list[str],
    typer.Option(
        "-l",
        "--labels",
        metavar="WORDS",
        show_envvar=False,
        callback=whole_variable,
        help="What to look for: 'sky,road=road|street,other', @labels.txt, .json, .yaml, a vocabulary, ade20k, coco, …",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        envvar="LSEG_MODEL",
        show_envvar=False,
        help="The bundled model, or a .safetensors, .onnx or .engine file.",
    ),
]
Out = Annotated[str, typer.Option("-o", "--out", metavar="FOLDER", show_envvar=False, help="Folder for the results.")]
ImageSize = Annotated[
    str | None,
    typer.Option(
        metavar="N|HxW",
        show_envvar=False,
        help="Long side of the network's input in pixels, or its height x width. Default: the model's.",
    ),
]
Save = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KINDS",
        show_envvar=False,
        help="Beside the masks: overlay (to look at), conf (confidence), probs (of all, at half the network's size), "
        "embeddings (for relabel, at a quarter of it).",
    ),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        show_envvar=False,
        help="What each label is put into at {}, such as 'a photo of a {}'. Repeat to average.",
    ),
]
MinConfidence = Annotated[
    float,
    typer.Option(
        metavar="P",
        min=0.0,
        max=1.0,
        show_envvar=False,
        help="Pixels below it get no label but the ignore id (255, or 65535).",
    ),
]
Engine = Annotated[
    str,
    typer.Option(metavar="KIND", show_envvar=False, help="torch, onnx or trt: refuse a model's file of another kind."),
]
Device = Annotated[
    str,
    typer.Option(
        "-d",
        "--device",
        metavar="DEVICE",
        envvar="LSEG_DEVICE",
        show_envvar=False,
        help="auto, cpu, cuda, cuda:1 or mps.",
    ),
]
Precision = Annotated[
    str,
    typer.Option(metavar="KIND", envvar="LSEG_PRECISION", show_envvar=False, help="fp32, or on CUDA fp16 or bf16."),
]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        envvar="LSEG_THREADS",
        show_envvar=False,
        help="Threads of the CPU. Default: all cores.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", show_envvar=False, help="Replace the results of an earlier run.")
]


def _stay_offline(wanted: bool) -> bool:
    """Tells the hub's client, and all that asks `is_offline`, before any of it is imported."""
    if wanted:
        os.environ["HF_HUB_OFFLINE"] = "1"
    return wanted


Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        envvar="LSEG_OFFLINE",
        show_envvar=False,
        callback=_stay_offline,
        help="Fetch nothing; the same as HF_HUB_OFFLINE=1.",
    ),
]
Format = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KINDS",
        show_envvar=False,
        help="Beside the PNG masks: npy, coco-rle, coco-panoptic, csv (shares). Commas, or repeat.",
    ),
]
Palette = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|none",
        show_envvar=False,
        help="Colours of the labels: a .yaml or .json file, such as sky: '#4682b4'; none: plain grey masks.",
    ),
]
MinMargin = Annotated[
    float,
    typer.Option(
        metavar="P",
        min=0.0,
        max=1.0,
        show_envvar=False,
        help="Pixels whose best two labels are nearer in probability get the ignore id.",
    ),
]
TopK = Annotated[
    int,
    typer.Option(
        metavar="K",
        min=1,
        show_envvar=False,
        help="Above 1: the K best labels of every pixel and their probabilities, in topk/….npz.",
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(
        metavar="PX",
        show_envvar=False,
        help="Cut larger pictures into tiles of this side, at full resolution unless --imgsz says otherwise.",
    ),
]
Overlap = Annotated[
    int | None,
    typer.Option(metavar="PX", show_envvar=False, help="Over which tiles fade into each other. Default: an eighth."),
]
Batch = Annotated[
    str,
    typer.Option(
        "-b",
        "--batch",
        metavar="N|auto",
        show_envvar=False,
        help="Pictures of one shape that the network gets at once. auto: 1 on the CPU, else 8.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "-j",
        "--workers",
        metavar="N",
        min=1,
        show_envvar=False,
        help="Threads that read pictures, and as many that write. Default: one per core.",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        show_envvar=False,
        help="Only the I-th of N shares: for N processes or machines on one output folder.",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="auto|local|ADDRESS",
        show_envvar=False,
        help="On a Ray cluster, which must share the folders. auto: the one that is there, else local: this machine.",
    ),
]
RayWorkers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        show_envvar=False,
        help="With --ray: processes with an engine each. Default: one per GPU, or per 4 cores.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        show_envvar=False, help="Go on where an earlier run stopped; else its results are moved to previous-1."
    ),
]
MaxFailures = Annotated[
    str | None,
    typer.Option(metavar="N|P%", show_envvar=False, help="Stop with exit code 8 when more pictures fail."),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", show_envvar=False, help="Stop at the first failure.")]
IgnoreFailures = Annotated[
    bool, typer.Option("--ignore-failures", show_envvar=False, help="Exit with 0 though some pictures failed.")
]
MaxPixels = Annotated[
    str,
    typer.Option(
        metavar="N",
        show_envvar=False,
        help="Pictures with more pixels are refused: a small file can claim any size. 512M, or a plain number.",
    ),
]
Json = Annotated[bool, typer.Option("--json", show_envvar=False, help="Tell what happens as JSON lines on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", show_envvar=False, help="Say nothing but errors.")]
Verbose = Annotated[
    bool,
    typer.Option("-v", "--verbose", show_envvar=False, help="A line for each picture; tracebacks of bugs."),
]


def split(values: Sequence[str] | None) -> tuple[str, ...]:
    """`['a,b', 'c']` -> `('a', 'b', 'c')`."""
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())
