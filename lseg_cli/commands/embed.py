"""`lseg embed`: the dense embedding of every picture, to be labelled later or taken elsewhere."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.carrying_out import carry_out, open_choice
from lseg_cli.commands.parsing import parse_batch, parse_failures, parse_pixels, parse_shard, parse_size
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.runs.options import EmbedOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun

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
    model: options.Model = EngineChoice.model,
    out: options.Out = EmbedOptions.out,
    imgsz: options.ImageSize = None,
    stride: Stride = EmbedOptions.stride,
    kind: Format = EmbedOptions.format,
    engine: options.Engine = EngineChoice.kind,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    batch: options.Batch = "auto",
    workers: options.Workers = EmbedOptions.workers,
    shard: options.Shard = None,
    ray: options.Ray = EmbedOptions.ray,
    ray_workers: options.RayWorkers = EmbedOptions.ray_workers,
    resume: options.Resume = EmbedOptions.resume,
    overwrite: options.Overwrite = EmbedOptions.overwrite,
    max_failures: options.MaxFailures = None,
    fail_fast: options.FailFast = EmbedOptions.fail_fast,
    ignore_failures: options.IgnoreFailures = EmbedOptions.ignore_failures,
    max_pixels: options.MaxPixels = "512M",
    rebuild: engine_options.Rebuild = "never",
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the dense embedding of every picture, in float16; `lseg relabel` makes masks of them.

    Example: lseg embed photos/ -o feats/
    """
    from lseg_cli.runs.embed import open_embedding
    from lseg_engines.description import read_spec
    from lseg_engines.opener import require_engine

    settings = EmbedOptions(
        inputs=tuple(inputs),
        out=out,
        engine=EngineChoice(model, engine, device, precision, threads),  # type: ignore[arg-type]
        imgsz=None if imgsz is None else parse_size(imgsz),
        stride=stride,  # type: ignore[arg-type]
        format=kind,  # type: ignore[arg-type]
        batch=parse_batch(batch),
        workers=workers,
        shard=None if shard is None else parse_shard(shard),
        ray=ray,
        ray_workers=ray_workers,
        resume=resume,
        overwrite=overwrite,
        max_failures=None if max_failures is None else parse_failures(max_failures),
        fail_fast=fail_fast,
        ignore_failures=ignore_failures,
        max_megapixels=parse_pixels(max_pixels),
    )
    open_or_rebuild = partial(open_choice, rebuild=engine_options.parse_rebuild(rebuild), outputs=None)

    def prepare() -> "FolderRun":
        require_engine(model, engine)
        return open_embedding(settings, open_or_rebuild, read_spec)

    carry_out(prepare, Console(quiet, verbose, json))
