"""`lseg embed`: the dense embedding of every picture, to be labelled later or taken elsewhere."""

from functools import partial
from typing import Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.console.embedding import show_embedding
from lseg_cli.console.terminal import Console
from lseg_cli.runs.embedding_options import EmbedJob  # noqa: TID253  imports nothing

Stride = Annotated[
    int,
    typer.Option(
        metavar="4|2", show_envvar=False, help="4: compact, exact for relabel. 2: the paper's embedding, unit length."
    ),
]
Format = Annotated[str, typer.Option("--format", metavar="KIND", show_envvar=False, help="safetensors or npy.")]


def embed(  # noqa: PLR0913  an option is a parameter
    inputs: options.Inputs,
    *,
    model: options.Model = EmbedJob.model,
    out: options.Out = EmbedJob.out,
    imgsz: options.ImageSize = EmbedJob.imgsz,
    stride: Stride = EmbedJob.stride,
    kind: Format = EmbedJob.format,
    device: options.Device = EmbedJob.device,
    precision: options.Precision = EmbedJob.precision,
    threads: options.Threads = EmbedJob.threads,
    overwrite: options.Overwrite = EmbedJob.overwrite,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the dense embedding of every picture, in float16; `lseg relabel` makes masks of them.

    Example: lseg embed photos/ -o feats/
    """
    from lseg_cli.contract import FEATURES  # noqa: PLC0415  pydantic takes its time
    from lseg_cli.runs.embed import EmbedRun
    from lseg_engines.opener import open_engine

    job = EmbedJob(tuple(inputs), model, out, imgsz, stride, kind, device, precision, threads, overwrite)
    run = EmbedRun(job, partial(open_engine, outputs=FEATURES))
    raise typer.Exit(show_embedding(run, f"embeddings in {out}", Console(quiet, verbose, json)))
