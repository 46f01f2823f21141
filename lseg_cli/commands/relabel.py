"""`lseg relabel`: masks for new labels from embeddings, without the image encoder."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lseg_cli.commands import options
from lseg_cli.commands.carrying_out import carry_out
from lseg_cli.commands.label_words import joined_labels
from lseg_cli.commands.mask_options import MaskFlags
from lseg_cli.commands.option_groups import with_groups
from lseg_cli.commands.parsing import parse_kinds
from lseg_cli.commands.run_options import RunFlags
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


@dataclass(frozen=True)
class _MaskFlags(MaskFlags):
    """Without embeddings, which are there already."""

    save: Save = None


@with_groups
def relabel(  # noqa: PLR0913  an option is a parameter
    inputs: Inputs,
    *,
    labels: options.Labels,
    model: Model = RelabelOptions.model,
    out: options.Out = RelabelOptions.out,
    masks: _MaskFlags,
    threads: options.Threads = RelabelOptions.threads,
    run: RunFlags,
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
        threads=threads,
        **vars(run),
        **masks.values(),
    )

    def prepare() -> "FolderRun":
        return open_relabelling(settings, find_model(model) if model else None)

    carry_out(prepare, settings, Console(quiet, verbose, json), "relabel", metrics)
