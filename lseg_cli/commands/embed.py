"""`lseg embed`: the dense embedding of every picture, to be labelled later or taken elsewhere."""

from typing import Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.console.embedding import show_embedding
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.results import kinds  # noqa: TID253  imports nothing
from lseg_cli.runs.embedding_options import EmbedJob  # noqa: TID253  imports nothing

Stride = Annotated[
    kinds.Stride,
    options.option(metavar="4|2", help="4: compact, exact for relabel. 2: the paper's embedding, unit length."),
]
Format = Annotated[kinds.EmbeddingFormat, options.option("--format", metavar="KIND", help="safetensors or npy.")]


def embed(  # noqa: PLR0913  an option is a parameter
    inputs: options.Inputs,
    *,
    model: options.Model = EngineChoice.model,
    out: options.Out = EmbedJob.out,
    imgsz: options.ImageSize = EmbedJob.imgsz,
    stride: Stride = EmbedJob.stride,
    kind: Format = EmbedJob.format,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    overwrite: options.Overwrite = EmbedJob.overwrite,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the dense embedding of every picture, in float16; `lseg relabel` makes masks of them.

    Example: lseg embed photos/ -o feats/
    """
    from lseg_cli.runs.embed import EmbedRun
    from lseg_engines.opener import open_engine

    job = EmbedJob(
        tuple(inputs), EngineChoice(model, "auto", device, precision, threads), out, imgsz, stride, kind, overwrite
    )
    run = EmbedRun(job, open_engine)
    raise typer.Exit(show_embedding(run, f"embeddings in {out}", Console(quiet, verbose, json)))
