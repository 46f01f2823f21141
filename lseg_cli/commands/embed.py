"""`lseg embed`: the dense embedding of every picture, to be labelled later or taken elsewhere."""

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated

from lseg_cli.commands import options
from lseg_cli.commands.carrying_out import carry_out, keep_on
from lseg_cli.commands.network_options import NetworkFlags
from lseg_cli.commands.option_groups import with_groups
from lseg_cli.commands.run_options import PictureFlags, RunFlags
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.results import kinds  # noqa: TID253  imports nothing
from lseg_cli.runs.options import EmbedOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun
    from lseg_cli.runs.pictures import OpenEngine

Stride = Annotated[
    kinds.Stride,
    options.option(metavar="4|2", help="4: compact, exact for relabel. 2: the paper's embedding, unit length."),
]
Format = Annotated[kinds.EmbeddingFormat, options.option("--format", metavar="KIND", help="safetensors or npy.")]


@with_groups
def embed(  # noqa: PLR0913  an option is a parameter
    inputs: options.Inputs,
    *,
    model: options.Model = EngineChoice.model,
    out: options.Out = EmbedOptions.out,
    stride: Stride = EmbedOptions.stride,
    kind: Format = EmbedOptions.format,
    network: NetworkFlags,
    run: RunFlags,
    pictures: PictureFlags,
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
        out=out,
        engine=network.choice(model),
        imgsz=network.imgsz,
        batch=network.batch,
        stride=stride,
        format=kind,
        **vars(run),
        **pictures.values(),
    )
    open_model: OpenEngine = partial(open_engine, rebuild=network.rebuild == "auto", outputs=FEATURES)
    if settings.watch:  # once for all passes; a cluster's workers get it without a cache, which is not pickled
        open_model = lru_cache(maxsize=1)(open_model)

    def prepare(asked: EmbedOptions = settings) -> "FolderRun":
        require_kind(settings.engine)
        return open_embedding(asked, open_model, read_spec)

    if settings.watch:
        keep_on(prepare, settings, Console(quiet, verbose, json), "embed", metrics)
    carry_out(prepare, settings, Console(quiet, verbose, json), "embed", metrics)
