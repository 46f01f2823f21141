"""`lseg relabel`: masks for new labels from embeddings, without the image encoder."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lseg_cli.commands import options
from lseg_cli.commands.carrying_out import carry_out
from lseg_cli.commands.label_words import joined_labels
from lseg_cli.commands.parsing import joined, parse_kinds, split
from lseg_cli.console.terminal import Console
from lseg_cli.runs.options import RelabelOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun

SAVED = ("overlay", "cutout", "conf", "probs")

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="FEATS", help="What lseg embed, or segment --save embeddings, wrote: folders or files."),
]
Model = Annotated[
    str | None,
    options.option(
        "-m",
        "--model",
        metavar="MODEL",
        help="The model that made the embeddings, if its file has moved since: it brings the text encoder.",
    ),
]
Save = Annotated[
    list[Any] | None,  # of tuples
    options.option(
        parser=parse_kinds("--save", SAVED),
        metavar="KINDS",
        autocompletion=lambda: list(SAVED),
        rich_help_panel=options.MASKS,
        help="Files beside the masks: overlay (to look at), cutout (see --cutout), conf (confidence), probs (of all "
        "labels).",
    ),
]


def relabel(  # noqa: PLR0913  an option is a parameter
    inputs: Inputs,
    *,
    labels: options.Labels,
    model: Model = RelabelOptions.model,
    out: options.Out = RelabelOptions.out,
    save: Save = None,
    cutout: options.Cutout = None,
    format: options.Format = None,
    palette: options.Palette = RelabelOptions.palette,
    template: options.Template = None,
    min_confidence: options.MinConfidence = RelabelOptions.min_confidence,
    min_margin: options.MinMargin = RelabelOptions.min_margin,
    top_k: options.TopK = RelabelOptions.top_k,
    threads: options.Threads = RelabelOptions.threads,
    workers: options.Workers = RelabelOptions.workers,
    shard: options.Shard = RelabelOptions.shard,
    ray: options.Ray = RelabelOptions.ray,
    ray_workers: options.RayWorkers = RelabelOptions.ray_workers,
    resume: options.Resume = RelabelOptions.resume,
    overwrite: options.Overwrite = RelabelOptions.overwrite,
    max_failures: options.MaxFailures = RelabelOptions.max_failures,
    fail_fast: options.FailFast = RelabelOptions.fail_fast,
    ignore_failures: options.IgnoreFailures = RelabelOptions.ignore_failures,
    offline: options.Offline = False,  # acted on where it is defined
    metrics: options.Metrics = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make masks from embeddings, for any labels: the same as segment would, in a fraction of the time.

    Example: lseg relabel feats/ -l "sky,road,other"
    """
    from lseg_cli.runs.relabel import open_relabelling
    from lseg_engines.opener import find_model

    settings = RelabelOptions(
        inputs=tuple(inputs),
        labels=joined_labels(labels, inputs),
        model=model,
        out=out,
        save=joined(save),
        cutout=split(cutout),
        formats=joined(format) or RelabelOptions.formats,
        palette=palette,
        templates=tuple(template or ()),
        min_confidence=min_confidence,
        min_margin=min_margin,
        top_k=top_k,
        threads=threads,
        workers=workers,
        shard=shard,
        ray=ray,
        ray_workers=ray_workers,
        resume=resume,
        overwrite=overwrite,
        max_failures=max_failures,
        fail_fast=fail_fast,
        ignore_failures=ignore_failures,
    )

    def prepare() -> "FolderRun":
        return open_relabelling(settings, find_model(model) if model else None)

    carry_out(prepare, settings, Console(quiet, verbose, json), "relabel", metrics)
