"""The options of commands that write masks, written once."""

from dataclasses import dataclass
from typing import Annotated, Any

from lseg_cli.commands import options
from lseg_cli.commands.options import MASKS, option
from lseg_cli.commands.parsing import joined, parse_kinds, split
from lseg_cli.results.kinds import EXTRAS, FORMATS  # noqa: TID253  imports nothing
from lseg_cli.runs.options import MaskOptions  # noqa: TID253  imports nothing

Save = Annotated[
    list[Any] | None,  # of tuples: see `lseg_cli.commands.parsing.joined`
    option(
        metavar="KINDS",
        parser=parse_kinds("--save", EXTRAS),
        autocompletion=lambda: list(EXTRAS),
        rich_help_panel=MASKS,
        help="Files beside the masks: overlay (to look at), cutout (see --cutout), conf (confidence), probs (of all "
        "labels, at half the network's size), embeddings (for relabel, at a quarter of it). By commas, or repeat.",
    ),
]
Format = Annotated[
    list[Any] | None,  # of tuples
    option(
        metavar="KINDS",
        parser=parse_kinds("--format", FORMATS),
        autocompletion=lambda: list(FORMATS),
        rich_help_panel=MASKS,
        help="Formats beside the PNG masks, by commas: npy, binary (a black and white PNG per label), coco-rle, "
        "coco-polygons, coco-panoptic, geojson, labelme, cvat, yolo, csv.",
    ),
]
Palette = Annotated[
    str | None,
    option(
        metavar="FILE|none",
        rich_help_panel=MASKS,
        help="Colours of the labels: a .yaml or .json file with lines such as sky: '#4682b4'; none: plain grey masks.",
    ),
]
Cutout = Annotated[
    list[str] | None,
    option(
        metavar="WORDS",
        rich_help_panel=MASKS,
        help="Labels to cut out of the pictures, such as person,car: RGBA with a soft edge, in cutouts/.",
    ),
]
MinConfidence = Annotated[
    float,
    option(
        metavar="P",
        min=0.0,
        max=1.0,
        rich_help_panel=MASKS,
        help="Pixels of less confidence get the ignore id (255, or 65535) instead of a label.",
    ),
]
MinMargin = Annotated[
    float,
    option(
        metavar="P",
        min=0.0,
        max=1.0,
        rich_help_panel=MASKS,
        help="Pixels whose best two labels differ by less in probability get the ignore id.",
    ),
]
TopK = Annotated[
    int,
    option(
        metavar="K",
        min=1,
        rich_help_panel=MASKS,
        help="Above 1: also write the K best labels of every pixel (topk/NAME.npz); up to 1,000: with probabilities.",
    ),
]


@dataclass(frozen=True)
class MaskFlags:
    """What is written of every picture, as the command line gives it."""

    save: Save = None
    cutout: Cutout = None
    format: Format = None
    palette: Palette = MaskOptions.palette
    template: options.Template = None
    min_confidence: MinConfidence = MaskOptions.min_confidence
    min_margin: MinMargin = MaskOptions.min_margin
    top_k: TopK = MaskOptions.top_k

    def values(self) -> dict[str, Any]:
        """Return the same as fields of `MaskOptions`."""
        return {
            "save": joined(self.save),
            "cutout": split(self.cutout),
            "formats": joined(self.format) or MaskOptions.formats,
            "palette": self.palette,
            "templates": tuple(self.template or ()),
            "min_confidence": self.min_confidence,
            "min_margin": self.min_margin,
            "top_k": self.top_k,
        }
