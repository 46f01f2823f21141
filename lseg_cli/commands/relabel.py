"""`lseg relabel`: masks for new labels from embeddings, without the image encoder."""

from typing import Annotated, Any

import typer

from lseg_cli.commands import options
from lseg_cli.commands.label_words import joined_labels
from lseg_cli.commands.parsing import joined, parse_kinds
from lseg_cli.console.embedding import show_embedding
from lseg_cli.console.terminal import Console
from lseg_cli.runs.embedding_options import RelabelJob  # noqa: TID253  imports nothing

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
    list[Any] | None,
    options.option(
        parser=parse_kinds("--save", ("overlay", "conf")),
        metavar="KINDS",
        help="Beside the masks: overlay (to look at), conf (confidence).",
    ),
]


def relabel(  # noqa: PLR0913  an option is a parameter
    inputs: Inputs,
    *,
    labels: options.Labels,
    model: Model = RelabelJob.model,
    out: options.Out = RelabelJob.out,
    save: Save = None,
    template: options.Template = None,
    min_confidence: options.MinConfidence = RelabelJob.min_confidence,
    threads: options.Threads = RelabelJob.threads,
    overwrite: options.Overwrite = RelabelJob.overwrite,
    offline: options.Offline = False,  # acted on where it is defined
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make masks from embeddings, for any labels: the same as segment would, in a fraction of the time.

    Example: lseg relabel feats/ -l "sky,road,other"
    """
    from lseg_cli.runs.relabel import RelabelRun
    from lseg_engines.opener import find_model

    job = RelabelJob(
        tuple(inputs),
        joined_labels(labels, inputs),
        model,
        out,
        joined(save),
        tuple(template or ()),
        min_confidence,
        threads,
        overwrite,
    )
    run = RelabelRun(job, find_model(model) if model else None)
    raise typer.Exit(show_embedding(run, f"masks in {out}/masks", Console(quiet, verbose, json)))
