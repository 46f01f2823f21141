"""What `lseg segment` is asked to do. Imports nothing heavy: the command line reads its defaults first."""

from dataclasses import dataclass

from lseg_cli.errors import LsegError

_UNITS = {"k": 1e3, "m": 1e6, "g": 1e9}
_MOST_WORKERS = 16
_MOST_STREAMS = 4  # each needs the memory of a picture in the network


@dataclass(frozen=True)
class SegmentJob:
    """Options as the user wrote them."""

    inputs: tuple[str, ...]
    labels: str
    model: str = "lseg-tiny"  # the bundled one's name, or a file
    out: str = "out"
    imgsz: str | None = None  # '480' (long side) or '480x640' (height x width); None: as the model was trained
    save: tuple[str, ...] = ()  # beside the masks: see EXTRAS
    formats: tuple[str, ...] = ("png",)  # see FORMATS
    palette: str | None = None  # None: a colour per label; 'none': plain grey; else a file of colours
    templates: tuple[str, ...] = ()  # none: the model's own
    min_confidence: float = 0.0
    min_margin: float = 0.0
    top_k: int = 1
    tile: int | None = None  # px
    overlap: int | None = None  # px; None: an eighth of the tile
    max_pixels: str = "512M"
    engine: str = "auto"  # torch, onnx or trt: that the file be of its kind
    device: str = "auto"
    precision: str = "fp32"
    threads: int | None = None
    batch: str = "auto"  # pictures at a time; auto: 1 on the CPU, else 8
    workers: int | None = None  # threads that read, and as many that write; None: one per core
    shard: str | None = None  # 'i/n'
    ray: str | None = None  # the address of a cluster, or 'auto'; None: this process does it
    ray_workers: int | None = None  # processes; None: as many as the cluster has room for
    resume: bool = True
    overwrite: bool = False
    max_failures: str | None = None  # a count, or a share as '5%'
    fail_fast: bool = False
    ignore_failures: bool = False


def parse_pixels(text: str) -> float:
    """`512M` -> 512, in megapixels.

    Raises:
        LsegError: no positive number, or an unknown unit.
    """
    number, unit = (text[:-1], text[-1:].lower()) if text[-1:].isalpha() else (text, "")
    try:
        megapixels = float(number) * _UNITS.get(unit, 1.0) / 1e6
    except ValueError:
        megapixels = 0.0
    if (unit and unit not in _UNITS) or not 0 < megapixels < float("inf"):
        raise LsegError(f"--max-pixels {text!r} is no number of pixels; write 512M, or 400000000.")
    return megapixels


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """`2/4` -> (2, 4), the second of four; None stays None.

    Raises:
        LsegError: no such share.
    """
    if text is None:
        return None
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise LsegError(f"--shard {text!r} is no share; write i/n, such as 2/4 for the second of four.")
    return int(first), int(second)


def parse_failures(text: str | None, total: int) -> int | None:
    """How many pictures may fail: `5`, or `2%` of `total`; None: all.

    Raises:
        LsegError: neither.
    """
    if text is None:
        return None
    number, is_share = text.removesuffix("%"), text.endswith("%")
    try:
        value = float(number) if is_share else int(number)
    except ValueError:
        value = -1
    if not 0 <= value <= (100 if is_share else float("inf")):
        raise LsegError(f"--max-failures {text!r} is no limit; write a count (5) or a share (2%).")
    return int(value * total / 100) if is_share else int(value)


def count_streams(cores: int, pictures: int) -> int:
    """Pictures that a CPU segments side by side; so few that all cores are needed for one go one after another."""
    streams = min(cores, _MOST_STREAMS)
    return streams if pictures >= 2 * streams else 1


def default_workers(cores: int) -> int:
    """Threads that read, and as many that write."""
    return max(1, min(cores, _MOST_WORKERS))
