"""What `lseg segment` is asked to do. Imports nothing heavy: the command line reads its defaults first."""

from dataclasses import dataclass

from lseg_cli.engine_choice import EngineChoice
from lseg_cli.results.kinds import MaskFormat, SaveKind
from lseg_cli.runs.failure_limit import FailureLimit
from lseg_cli.runs.shard import Shard

_MOST_WORKERS = 16
_MOST_STREAMS = 4  # each needs the memory of a picture in the network


@dataclass(frozen=True)
class SegmentJob:
    """What is segmented, and how."""

    inputs: tuple[str, ...]
    labels: str
    engine: EngineChoice = EngineChoice()
    out: str = "out"
    imgsz: int | tuple[int, int] | None = None  # long side, or (height, width), in px; None: as the model was trained
    save: tuple[SaveKind, ...] = ()  # beside the masks: see EXTRAS
    formats: tuple[MaskFormat, ...] = ("png",)  # see FORMATS
    palette: str | None = None  # None: a colour per label; 'none': plain grey; else a file of colours
    templates: tuple[str, ...] = ()  # none: the model's own
    min_confidence: float = 0.0
    min_margin: float = 0.0
    top_k: int = 1
    tile: int | None = None  # px
    overlap: int | None = None  # px; None: an eighth of the tile
    max_megapixels: float = 512.0
    batch: int | None = None  # pictures at a time; None: 1 on the CPU, else 8
    workers: int | None = None  # threads that read, and as many that write; None: one per core
    shard: Shard | None = None
    ray: str | None = None  # the address of a cluster, or 'auto'; None: this process does it
    ray_workers: int | None = None  # processes; None: as many as the cluster has room for
    resume: bool = True
    overwrite: bool = False
    max_failures: FailureLimit | None = None
    fail_fast: bool = False
    ignore_failures: bool = False


def count_streams(cores: int, pictures: int) -> int:
    """Pictures that a CPU segments side by side; so few that all cores are needed for one go one after another."""
    streams = min(cores, _MOST_STREAMS)
    return streams if pictures >= 2 * streams else 1


def default_workers(cores: int) -> int:
    """Threads that read, and as many that write."""
    return max(1, min(cores, _MOST_WORKERS))
