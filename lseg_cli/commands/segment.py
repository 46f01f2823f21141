"""`lseg segment`: a mask for every picture."""

from functools import partial

import typer

from lseg_cli.commands import engine_options, options
from lseg_cli.console.segmentation import show_segmentation
from lseg_cli.console.terminal import Console
from lseg_cli.inference.job import SegmentJob  # noqa: TID253  imports nothing


def segment(  # noqa: PLR0913, PLR0917  an option is a parameter
    inputs: options.Inputs,
    labels: options.Labels,
    model: options.Model = SegmentJob.model,
    out: options.Out = SegmentJob.out,
    imgsz: options.ImageSize = SegmentJob.imgsz,
    save: options.Save = None,
    template: options.Template = None,
    min_confidence: options.MinConfidence = SegmentJob.min_confidence,
    engine: options.Engine = SegmentJob.engine,
    device: options.Device = SegmentJob.device,
    precision: options.Precision = SegmentJob.precision,
    threads: options.Threads = SegmentJob.threads,
    overwrite: options.Overwrite = SegmentJob.overwrite,
    rebuild: engine_options.Rebuild = "never",
    offline: options.Offline = False,  # acted on where it is defined
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Segment pictures by labels in plain words.

    Example: lseg segment photos/ -l "sky,road,tree,other" --save overlay
    """
    from lseg_cli.inference.runner import Run
    from lseg_engines.opener import open_engine, require_engine

    job = SegmentJob(
        inputs=tuple(inputs),
        labels=labels,
        model=model,
        out=out,
        imgsz=imgsz,
        save=options.split(save),
        templates=tuple(template or ()),
        min_confidence=min_confidence,
        engine=engine,
        device=device,
        precision=precision,
        threads=threads,
        overwrite=overwrite,
    )
    require_engine(model, engine)
    open_or_rebuild = partial(open_engine, rebuild=engine_options.parse_rebuild(rebuild))
    with Run(job, open_or_rebuild) as run:
        show_segmentation(run, Console(quiet, verbose, json))
    raise typer.Exit(run.summary.exit_code)
