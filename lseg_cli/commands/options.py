"""Every option that commands share, written once."""

from collections.abc import Sequence
from typing import Annotated

import typer

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="PATHS...", help="Pictures, folders, patterns such as 'in/**/*.jpg', @list.txt, or - for stdin."
    ),
]
Labels = Annotated[
    str,
    typer.Option("-l", "--labels", help="What to look for: 'sky,road=road|street,other', @labels.txt, .json or .yaml."),
]
Model = Annotated[
    str, typer.Option("-m", "--model", envvar="LSEG_MODEL", help="The bundled model, or a .safetensors file.")
]
Out = Annotated[str, typer.Option("-o", "--out", help="Folder for the results.")]
ImageSize = Annotated[
    str | None,
    typer.Option(
        metavar="N|HxW",
        help="Long side of the network's input in pixels, or its height x width [default: the model's].",
    ),
]
Save = Annotated[
    list[str] | None,
    typer.Option(help="Write beside the masks: overlay (to look at), conf (confidence); commas or repeat."),
]
Template = Annotated[
    list[str] | None,
    typer.Option(help="Sentence that each label is put into at {}, such as 'a photo of a {}'; repeat to average."),
]
MinConfidence = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Pixels below it get no label but the ignore id (255, or 65535).")
]
Device = Annotated[str, typer.Option("-d", "--device", envvar="LSEG_DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[str, typer.Option(envvar="LSEG_PRECISION", help="fp32, or on CUDA fp16 or bf16.")]
Threads = Annotated[
    int | None, typer.Option(min=1, envvar="LSEG_THREADS", help="Threads of the CPU [default: all cores].")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results of an earlier run.")]
Json = Annotated[bool, typer.Option("--json", help="Tell what happens as JSON lines on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="A line for each picture; tracebacks of bugs.")]


def split(values: Sequence[str] | None) -> tuple[str, ...]:
    """`['a,b', 'c']` -> `('a', 'b', 'c')`."""
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())
