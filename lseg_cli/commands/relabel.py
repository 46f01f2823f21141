"""`lseg relabel`: masks for new labels from embeddings, without the image encoder."""

from typing import TYPE_CHECKING, Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.commands.carrying_out import carry_out
from lseg_cli.commands.parsing import parse_failures, parse_shard
from lseg_cli.console.terminal import Console
from lseg_cli.runs.options import RelabelOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="FEATS", help="What lseg embed, or segment --save embeddings, wrote: folders or files."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        show_envvar=False,
        help="The model that made the embeddings, if its file has moved since: it brings the text encoder.",
    ),
]
Save = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KINDS",
        show_envvar=False,
        help="Beside the masks: overlay (to look at), conf (confidence), probs (of all labels).",
    ),
]


def relabel(  # noqa: PLR0913  an option is a parameter
    inputs: Inputs,
    *,
    labels: options.Labels,
    model: Model = RelabelOptions.model,
    out: options.Out = RelabelOptions.out,
    save: Save = None,
    format: options.Format = None,
    palette: options.Palette = RelabelOptions.palette,
    template: options.Template = None,
    min_confidence: options.MinConfidence = RelabelOptions.min_confidence,
    min_margin: options.MinMargin = RelabelOptions.min_margin,
    top_k: options.TopK = RelabelOptions.top_k,
    threads: options.Threads = RelabelOptions.threads,
    workers: options.Workers = RelabelOptions.workers,
    shard: options.Shard = None,
    ray: options.Ray = RelabelOptions.ray,
    ray_workers: options.RayWorkers = RelabelOptions.ray_workers,
    resume: options.Resume = RelabelOptions.resume,
    overwrite: options.Overwrite = RelabelOptions.overwrite,
    max_failures: options.MaxFailures = None,
    fail_fast: options.FailFast = RelabelOptions.fail_fast,
    ignore_failures: options.IgnoreFailures = RelabelOptions.ignore_failures,
    offline: options.Offline = False,  # acted on where it is defined
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
        labels=labels,
        model=model,
        out=out,
        save=options.split(save),  # type: ignore[arg-type]
        formats=options.split(format) or RelabelOptions.formats,  # type: ignore[arg-type]
        palette=palette,
        templates=tuple(template or ()),
        min_confidence=min_confidence,
        min_margin=min_margin,
        top_k=top_k,
        threads=threads,
        workers=workers,
        shard=None if shard is None else parse_shard(shard),
        ray=ray,
        ray_workers=ray_workers,
        resume=resume,
        overwrite=overwrite,
        max_failures=None if max_failures is None else parse_failures(max_failures),
        fail_fast=fail_fast,
        ignore_failures=ignore_failures,
    )

    def prepare() -> "FolderRun":
        return open_relabelling(settings, find_model(model) if model else None)

    carry_out(prepare, Console(quiet, verbose, json))
