"""`lseg embed`: the dense embedding of every picture, to be labelled later or taken elsewhere."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.carrying_out import carry_out
from lseg_cli.commands.parsing import picked
from lseg_cli.console.terminal import Console
from lseg_cli.data.frame_pick import FramePick
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.results import kinds  # noqa: TID253  imports nothing
from lseg_cli.runs.options import EmbedOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun

Stride = Annotated[
    kinds.Stride,
    options.option(metavar="4|2", help="4: compact, exact for relabel. 2: the paper's embedding, unit length."),
]
Format = Annotated[kinds.EmbeddingFormat, options.option("--format", metavar="KIND", help="safetensors or npy.")]


def embed(  # noqa: PLR0913  an option is a parameter
    inputs: options.Inputs,
    *,
    model: options.Model = EngineChoice.model,
    out: options.Out = EmbedOptions.out,
    imgsz: options.ImageSize = EmbedOptions.imgsz,
    stride: Stride = EmbedOptions.stride,
    kind: Format = EmbedOptions.format,
    engine: options.Engine = EngineChoice.kind,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    batch: options.Batch = EmbedOptions.batch,
    fps: options.Fps = FramePick.fps,
    every: options.Every = FramePick.every,
    start: options.Start = FramePick.start_s,
    end: options.End = FramePick.end_s,
    workers: options.Workers = EmbedOptions.workers,
    shard: options.Shard = EmbedOptions.shard,
    ray: options.Ray = EmbedOptions.ray,
    ray_workers: options.RayWorkers = EmbedOptions.ray_workers,
    resume: options.Resume = EmbedOptions.resume,
    overwrite: options.Overwrite = EmbedOptions.overwrite,
    max_failures: options.MaxFailures = EmbedOptions.max_failures,
    fail_fast: options.FailFast = EmbedOptions.fail_fast,
    ignore_failures: options.IgnoreFailures = EmbedOptions.ignore_failures,
    exclude: options.Exclude = None,
    recursive: options.Recursive = EmbedOptions.recursive,
    max_pixels: options.MaxPixels = EmbedOptions.max_megapixels,
    rebuild: engine_options.Rebuild = "never",
    metrics: options.Metrics = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the dense embedding of every picture, in float16; `lseg relabel` makes masks of them.

    Example: lseg embed photos/ -o feats/
    """
    from lseg_cli.contract import FEATURES  # noqa: PLC0415  pydantic takes its time
    from lseg_cli.runs.embed import open_embedding
    from lseg_engines.description import read_spec
    from lseg_engines.opener import open_engine, require_kind

    settings = EmbedOptions(
        inputs=tuple(inputs),
        exclude=tuple(exclude or ()),
        recursive=recursive,
        out=out,
        engine=EngineChoice(model, engine, device, precision, threads),
        imgsz=imgsz,
        stride=stride,
        format=kind,
        batch=batch,
        frames=picked(fps, every, start, end),
        workers=workers,
        shard=shard,
        ray=ray,
        ray_workers=ray_workers,
        resume=resume,
        overwrite=overwrite,
        max_failures=max_failures,
        fail_fast=fail_fast,
        ignore_failures=ignore_failures,
        max_megapixels=max_pixels,
    )
    open_or_rebuild = partial(open_engine, rebuild=rebuild == "auto", outputs=FEATURES)

    def prepare() -> "FolderRun":
        require_kind(settings.engine)
        return open_embedding(settings, open_or_rebuild, read_spec)

    carry_out(prepare, settings, Console(quiet, verbose, json), "embed", metrics)
