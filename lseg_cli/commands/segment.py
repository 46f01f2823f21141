"""`lseg segment`: a mask for every picture."""

from functools import partial
from typing import TYPE_CHECKING

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.carrying_out import carry_out, open_choice
from lseg_cli.commands.parsing import parse_batch, parse_failures, parse_pixels, parse_shard, parse_size
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.runs.options import SegmentOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun


def segment(  # noqa: PLR0913, PLR0917  an option is a parameter
    inputs: options.Inputs,
    labels: options.Labels,
    model: options.Model = EngineChoice.model,
    out: options.Out = SegmentOptions.out,
    imgsz: options.ImageSize = None,
    save: options.Save = None,
    format: options.Format = None,
    palette: options.Palette = SegmentOptions.palette,
    template: options.Template = None,
    min_confidence: options.MinConfidence = SegmentOptions.min_confidence,
    min_margin: options.MinMargin = SegmentOptions.min_margin,
    top_k: options.TopK = SegmentOptions.top_k,
    tile: options.Tile = SegmentOptions.tile,
    overlap: options.Overlap = SegmentOptions.overlap,
    engine: options.Engine = EngineChoice.kind,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    batch: options.Batch = "auto",
    workers: options.Workers = SegmentOptions.workers,
    shard: options.Shard = None,
    ray: options.Ray = SegmentOptions.ray,
    ray_workers: options.RayWorkers = SegmentOptions.ray_workers,
    resume: options.Resume = SegmentOptions.resume,
    overwrite: options.Overwrite = SegmentOptions.overwrite,
    max_failures: options.MaxFailures = None,
    fail_fast: options.FailFast = SegmentOptions.fail_fast,
    ignore_failures: options.IgnoreFailures = SegmentOptions.ignore_failures,
    max_pixels: options.MaxPixels = "512M",
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
    from lseg_cli.runs.segment import open_segmentation
    from lseg_engines.description import read_spec
    from lseg_engines.opener import require_engine

    settings = SegmentOptions(
        inputs=tuple(inputs),
        labels=labels,
        out=out,
        engine=EngineChoice(model, engine, device, precision, threads),  # type: ignore[arg-type]
        imgsz=None if imgsz is None else parse_size(imgsz),
        save=options.split(save),  # type: ignore[arg-type]
        formats=options.split(format) or SegmentOptions.formats,  # type: ignore[arg-type]
        palette=palette,
        templates=tuple(template or ()),
        min_confidence=min_confidence,
        min_margin=min_margin,
        top_k=top_k,
        tile=tile,
        overlap=overlap,
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
    open_or_rebuild = partial(open_choice, rebuild=engine_options.parse_rebuild(rebuild), outputs=SCORES)

    def prepare() -> "FolderRun":
        require_engine(model, engine)
        return open_segmentation(settings, open_or_rebuild, read_spec)

    carry_out(prepare, Console(quiet, verbose, json))
