"""What `lseg map` is asked to do. Imports nothing heavy: the command line reads the defaults first."""

from dataclasses import dataclass, field
from typing import Literal

from lseg_cli.engine_choice import EngineChoice

MapSave = Literal["conf", "probs"]
MapFormat = Literal["geojson", "gpkg"]
MAP_SAVE: tuple[MapSave, ...] = ("conf", "probs")
MAP_FORMATS: tuple[MapFormat, ...] = ("geojson", "gpkg")


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """A run over georeferenced rasters.

    Attributes:
        inputs: rasters, folders of them, addresses.
        labels: as `lseg_cli.data.vocabulary.open_labels` takes them.
        out: the folder to write to.
        engine: the model and how it is run.
        bands: numbers of one or three bands, from 1; none: by their colour interpretation.
        range: what becomes black and white; None: said by a sample.
        tile: side of a window in px of the raster.
        overlap: of windows in px; None: an eighth of the tile.
        imgsz: as in `SegmentOptions`.
        save: rasters beside the mask.
        formats: of outlines beside the mask.
        palette: None: a colour per label; 'none': no colour table; else a file of colours.
        templates: none: the model's own.
        overwrite: replace results of a run with other options.
    """

    inputs: tuple[str, ...]
    labels: str
    out: str = "maps"
    engine: EngineChoice = field(default_factory=EngineChoice)
    bands: tuple[int, ...] = ()
    range: tuple[float, float] | None = None
    tile: int = 1024
    overlap: int | None = None
    imgsz: int | tuple[int, int] | None = None
    save: tuple[MapSave, ...] = ()
    formats: tuple[MapFormat, ...] = ()
    palette: str | None = None
    templates: tuple[str, ...] = ()
    overwrite: bool = False
