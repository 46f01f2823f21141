"""The options of commands that run pictures through a network, written once."""

from dataclasses import dataclass
from typing import Annotated

from lseg_cli.commands import engine_options, options
from lseg_cli.commands.options import MACHINE, option
from lseg_cli.commands.parsing import parse_batch
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.runs.options import SegmentOptions  # noqa: TID253  imports nothing

Tile = Annotated[
    int | None,
    option(
        metavar="PX",
        rich_help_panel=MACHINE,
        help="Cut larger pictures into tiles of this side, at full resolution unless --imgsz is given.",
    ),
]
Overlap = Annotated[
    int | None,
    option(
        metavar="PX",
        rich_help_panel=MACHINE,
        help="Overlap in pixels, where tiles are blended. Default: an eighth of the tile.",
    ),
]
Batch = Annotated[
    int | None,
    option(
        "-b",
        "--batch",
        metavar="N|auto",
        parser=parse_batch,
        rich_help_panel=MACHINE,
        help="Pictures of one shape per network call. Default: auto, 1 on the CPU, else 8.",
    ),
]


@dataclass(frozen=True)
class NetworkFlags:
    """The network's input and the machine that runs it, as the command line gives them."""

    imgsz: options.ImageSize = SegmentOptions.imgsz
    engine: options.Engine = EngineChoice.kind
    device: options.Device = EngineChoice.device
    precision: options.Precision = EngineChoice.precision
    threads: options.Threads = EngineChoice.threads
    batch: Batch = SegmentOptions.batch
    rebuild: engine_options.Rebuild = "never"

    def choice(self, model: str) -> EngineChoice:
        """Return which engine runs a model."""
        return EngineChoice(model, self.engine, self.device, self.precision, self.threads)
