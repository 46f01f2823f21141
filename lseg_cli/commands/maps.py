"""`lseg map`: a georeferenced mask for every raster."""

from typing import Annotated, Any

import typer

from lseg_cli.commands import mask_options, network_options, options
from lseg_cli.commands.interrupt import interruptible
from lseg_cli.commands.label_words import joined_labels
from lseg_cli.commands.parsing import joined, parse_bands, parse_kinds, parse_range
from lseg_cli.console.maps import show_map
from lseg_cli.console.terminal import Console
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.runs.map_options import MAP_FORMATS, MAP_SAVE, MapOptions  # noqa: TID253  imports nothing

RASTER = "Raster"  # a panel of --help
FAILED = 3

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="RASTERS",
        help="GeoTIFF, COG, JPEG 2000 or VRT files, folders of them, or addresses such as https:// and s3://.",
    ),
]
Bands = Annotated[
    Any,  # tuple[int, ...], whose length Typer would ask for
    options.option(
        metavar="R,G,B",
        parser=parse_bands,
        show_default=False,
        rich_help_panel=RASTER,
        help="Bands that are red, green and blue, such as 4,3,2; or one. Default: by their colour interpretation.",
    ),
]
Range = Annotated[
    Any,  # tuple[float, float] | None
    options.option(
        "--range",
        metavar="LOW,HIGH",
        parser=parse_range,
        show_default=False,
        rich_help_panel=RASTER,
        help="Values that are black and white. Default: of 8 bits 0 and 255, else the range a sample fills.",
    ),
]
Tile = Annotated[int, options.option(metavar="PX", rich_help_panel=RASTER, help="Side of a window in pixels.")]
Save = Annotated[
    list[Any] | None,  # of tuples
    options.option(
        metavar="KINDS",
        parser=parse_kinds("--save", MAP_SAVE),
        autocompletion=lambda: list(MAP_SAVE),
        rich_help_panel=options.MASKS,
        help="Rasters beside the mask: conf (confidence), probs (of all labels, a band each).",
    ),
]
Format = Annotated[
    list[Any] | None,  # of tuples
    options.option(
        metavar="KINDS",
        parser=parse_kinds("--format", MAP_FORMATS),
        autocompletion=lambda: list(MAP_FORMATS),
        rich_help_panel=options.MASKS,
        help="Areas as polygons in the raster's coordinates: geojson, gpkg (GeoPackage).",
    ),
]
Overwrite = Annotated[bool, options.option("--overwrite", help="Replace results of a run with other options.")]


def map_rasters(  # noqa: PLR0913  an option is a parameter
    inputs: Inputs,
    labels: options.Labels,
    *,
    model: options.Model = EngineChoice.model,
    out: options.Out = MapOptions.out,
    bands: Bands = (),
    value_range: Range = None,
    tile: Tile = MapOptions.tile,
    overlap: network_options.Overlap = MapOptions.overlap,
    save: Save = None,
    format: Format = None,
    palette: mask_options.Palette = MapOptions.palette,
    template: options.Template = None,
    imgsz: options.ImageSize = MapOptions.imgsz,
    engine: options.Engine = EngineChoice.kind,
    device: options.Device = EngineChoice.device,
    precision: options.Precision = EngineChoice.precision,
    threads: options.Threads = EngineChoice.threads,
    overwrite: Overwrite = False,
    offline: options.Offline = False,  # acted on where it is defined
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Segment georeferenced rasters of any size; masks keep their place on Earth.

    Example: lseg map ortho.tif -l "building,road,tree,grass,water" --format gpkg
    """
    from lseg_cli.runs.maps import open_maps
    from lseg_engines.opener import open_engine, require_kind

    settings = MapOptions(
        inputs=tuple(inputs),
        labels=joined_labels(labels, inputs),
        out=out,
        engine=EngineChoice(model, engine, device, precision, threads),
        bands=bands,
        range=value_range,
        tile=tile,
        overlap=overlap,
        imgsz=imgsz,
        save=joined(save),
        formats=joined(format),
        palette=palette,
        templates=tuple(template or ()),
        overwrite=overwrite,
    )
    console = Console(quiet, verbose, json)
    require_kind(settings.engine)
    run = open_maps(settings, open_engine)
    with run, interruptible() as interrupt:
        for notice in run.notices:
            console.notice(notice)
        for job in run.jobs:
            if not show_map(run, job, console, interrupt):
                run.record(interrupt.exit_code)
                raise typer.Exit(interrupt.exit_code)
        for source, reason in run.failures.items():
            console.line(f"failed: {reason}")
            console.event("failed", {"file": source, "reason": reason})
        code = FAILED if run.failures else 0
        run.record(code)
    raise typer.Exit(code)
