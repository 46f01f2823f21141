"""`lseg segment`: a mask for every picture."""

from functools import partial
from typing import TYPE_CHECKING

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.carrying_out import carry_out
from lseg_cli.commands.label_words import joined_labels
from lseg_cli.commands.parsing import joined, picked, split
from lseg_cli.console.terminal import Console
from lseg_cli.data.frame_pick import FramePick
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.runs.options import SegmentOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun


def segment(  # noqa: PLR0913, PLR0917  an option is a parameter
    inputs: options.Inputs,
    labels: options.Labels,
    model: options.Model = EngineChoice.model,
    out: options.Out = SegmentOptions.out,
    save: options.Save = None,
    cutout: options.Cutout = None,
    format: options.Format = None,
    palette: options.Palette = SegmentOptions.palette,
    template: options.Template = None,
    min_confidence: options.MinConfidence = SegmentOptions.min_confidence,
    min_margin: options.MinMargin = SegmentOptions.min_margin,
    top_k: options.TopK = SegmentOptions.top_k,
    imgsz: options.ImageSize = SegmentOptions.imgsz,
    tile: options.Tile = SegmentOptions.tile,
    overlap: options.Overlap = SegmentOptions.overlap,
    engine: options.Engine = EngineChoice.kind,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    batch: options.Batch = SegmentOptions.batch,
    fps: options.Fps = FramePick.fps,
    every: options.Every = FramePick.every,
    start: options.Start = FramePick.start_s,
    end: options.End = FramePick.end_s,
    workers: options.Workers = SegmentOptions.workers,
    shard: options.Shard = SegmentOptions.shard,
    ray: options.Ray = SegmentOptions.ray,
    ray_workers: options.RayWorkers = SegmentOptions.ray_workers,
    resume: options.Resume = SegmentOptions.resume,
    overwrite: options.Overwrite = SegmentOptions.overwrite,
    max_failures: options.MaxFailures = SegmentOptions.max_failures,
    fail_fast: options.FailFast = SegmentOptions.fail_fast,
    ignore_failures: options.IgnoreFailures = SegmentOptions.ignore_failures,
    exclude: options.Exclude = None,
    recursive: options.Recursive = SegmentOptions.recursive,
    max_pixels: options.MaxPixels = SegmentOptions.max_megapixels,
    rebuild: engine_options.Rebuild = "never",
    offline: options.Offline = False,  # acted on where it is defined
    metrics: options.Metrics = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Segment pictures by labels in plain words.

    Example: lseg segment photos/ -l "sky,road,tree,other" --save overlay
    """
    from lseg_cli.runs.segment import needed_outputs, open_segmentation
    from lseg_engines.description import read_spec
    from lseg_engines.opener import open_engine, require_kind

    settings = SegmentOptions(
        inputs=tuple(inputs),
        exclude=tuple(exclude or ()),
        recursive=recursive,
        labels=joined_labels(labels, inputs),
        out=out,
        engine=EngineChoice(model, engine, device, precision, threads),
        imgsz=imgsz,
        save=joined(save),
        cutout=split(cutout),
        formats=joined(format) or SegmentOptions.formats,
        palette=palette,
        templates=tuple(template or ()),
        min_confidence=min_confidence,
        min_margin=min_margin,
        top_k=top_k,
        tile=tile,
        overlap=overlap,
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
    outputs = needed_outputs(settings)
    open_or_rebuild = partial(open_engine, rebuild=rebuild == "auto", outputs=outputs)

    def prepare() -> "FolderRun":
        require_kind(settings.engine)
        return open_segmentation(settings, open_or_rebuild, read_spec)

    carry_out(prepare, settings, Console(quiet, verbose, json), "segment", metrics)
