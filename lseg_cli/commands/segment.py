"""`lseg segment`: a mask for every picture."""

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from lseg_cli.commands import network_options, options
from lseg_cli.commands.carrying_out import carry_out, keep_on
from lseg_cli.commands.label_words import joined_labels
from lseg_cli.commands.mask_options import MaskFlags
from lseg_cli.commands.network_options import NetworkFlags
from lseg_cli.commands.option_groups import with_groups
from lseg_cli.commands.run_options import PictureFlags, RunFlags
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.runs.options import SegmentOptions  # noqa: TID253  imports nothing

if TYPE_CHECKING:
    from lseg_cli.runs.folder_run import FolderRun
    from lseg_cli.runs.pictures import OpenEngine


@with_groups
def segment(  # noqa: PLR0913  an option is a parameter
    inputs: options.Inputs,
    labels: options.Labels,
    *,
    model: options.Model = EngineChoice.model,
    out: options.Out = SegmentOptions.out,
    masks: MaskFlags,
    network: NetworkFlags,
    tile: network_options.Tile = SegmentOptions.tile,
    overlap: network_options.Overlap = SegmentOptions.overlap,
    run: RunFlags,
    pictures: PictureFlags,
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
        labels=joined_labels(labels, inputs),
        out=out,
        engine=network.choice(model),
        imgsz=network.imgsz,
        batch=network.batch,
        tile=tile,
        overlap=overlap,
        **vars(run),
        **masks.values(),
        **pictures.values(),
    )
    outputs = needed_outputs(settings)
    open_model: OpenEngine = partial(open_engine, rebuild=network.rebuild == "auto", outputs=outputs)
    if settings.watch:  # once for all passes; a cluster's workers get it without a cache, which is not pickled
        open_model = lru_cache(maxsize=1)(open_model)

    def prepare(asked: SegmentOptions = settings) -> "FolderRun":
        require_kind(settings.engine)
        return open_segmentation(asked, open_model, read_spec)

    if settings.watch:
        keep_on(prepare, settings, Console(quiet, verbose, json), "segment", metrics)
    carry_out(prepare, settings, Console(quiet, verbose, json), "segment", metrics)
