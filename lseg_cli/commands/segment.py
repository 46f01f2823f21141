"""`lseg segment`: a mask for every picture."""

from functools import partial

import typer

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.interrupt import interruptible
from lseg_cli.commands.label_words import joined_labels
from lseg_cli.commands.parsing import joined
from lseg_cli.console.segmentation import show_segmentation
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.runs.options import SegmentJob  # noqa: TID253  imports nothing


def segment(  # noqa: PLR0913, PLR0917  an option is a parameter
    inputs: options.Inputs,
    labels: options.Labels,
    model: options.Model = EngineChoice.model,
    out: options.Out = SegmentJob.out,
    save: options.Save = None,
    format: options.Format = None,
    palette: options.Palette = SegmentJob.palette,
    template: options.Template = None,
    min_confidence: options.MinConfidence = SegmentJob.min_confidence,
    min_margin: options.MinMargin = SegmentJob.min_margin,
    top_k: options.TopK = SegmentJob.top_k,
    imgsz: options.ImageSize = SegmentJob.imgsz,
    tile: options.Tile = SegmentJob.tile,
    overlap: options.Overlap = SegmentJob.overlap,
    engine: options.Engine = EngineChoice.kind,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    batch: options.Batch = SegmentJob.batch,
    workers: options.Workers = SegmentJob.workers,
    shard: options.Shard = SegmentJob.shard,
    ray: options.Ray = SegmentJob.ray,
    ray_workers: options.RayWorkers = SegmentJob.ray_workers,
    resume: options.Resume = SegmentJob.resume,
    overwrite: options.Overwrite = SegmentJob.overwrite,
    max_failures: options.MaxFailures = SegmentJob.max_failures,
    fail_fast: options.FailFast = SegmentJob.fail_fast,
    ignore_failures: options.IgnoreFailures = SegmentJob.ignore_failures,
    max_pixels: options.MaxPixels = SegmentJob.max_megapixels,
    rebuild: engine_options.Rebuild = "never",
    offline: options.Offline = False,  # acted on where it is defined
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Segment pictures by labels in plain words.

    Example: lseg segment photos/ -l "sky,road,tree,other" --save overlay
    """
    from lseg_cli.contract import SCORES  # noqa: PLC0415  pydantic takes its time
    from lseg_cli.runs.segment import Run
    from lseg_engines.description import read_spec
    from lseg_engines.opener import open_engine, require_kind

    job = SegmentJob(
        inputs=tuple(inputs),
        labels=joined_labels(labels, inputs),
        engine=EngineChoice(model, engine, device, precision, threads),
        out=out,
        imgsz=imgsz,
        save=joined(save),
        formats=joined(format) or SegmentJob.formats,
        palette=palette,
        templates=tuple(template or ()),
        min_confidence=min_confidence,
        min_margin=min_margin,
        top_k=top_k,
        tile=tile,
        overlap=overlap,
        batch=batch,
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
    require_kind(job.engine)
    open_or_rebuild = partial(open_engine, rebuild=rebuild == "auto", outputs=SCORES)
    with Run(job, open_or_rebuild, read_spec) as run, interruptible() as interrupt:
        if not show_segmentation(run, Console(quiet, verbose, json), interrupt):
            raise typer.Exit(interrupt.exit_code)
    raise typer.Exit(run.summary.exit_code)
