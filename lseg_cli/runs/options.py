"""The options of `lseg segment`, `lseg embed` and `lseg relabel`, as values.

Imports nothing heavy: the command line reads the defaults first.
"""

import os
from dataclasses import dataclass, field

from lseg_cli.data.frame_pick import ALL_FRAMES, FramePick
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.results.kinds import EmbeddingFormat, MaskFormat, SaveKind, Stride
from lseg_cli.runs.failure_limit import FailureLimit
from lseg_cli.runs.shard import Shard

_MOST_WORKERS = 16
_MOST_STREAMS = 4  # each needs the memory of a picture in the network


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of all runs over many pictures.

    Attributes:
        inputs: what to read, as the user wrote it.
        out: the folder to write to.
        exclude: patterns of names in folders that are left out.
        recursive: a list may name a folder that holds the list itself.
        workers: threads that read, and as many that write; None: one per core.
        shard: only one of several shares; None: all.
        ray: the address of a cluster, or 'auto' or 'local'; None: this process does it.
        ray_workers: processes; None: as many as the cluster has room for.
        resume: go on where an earlier run stopped; else its results are moved away.
        overwrite: delete the results of an earlier run first.
        max_failures: stop when more pictures fail; None: never.
        fail_fast: stop at the first failure.
        ignore_failures: exit with 0 though some pictures failed.
    """

    inputs: tuple[str, ...]
    out: str = "out"
    exclude: tuple[str, ...] = ()
    recursive: bool = False
    workers: int | None = None
    shard: Shard | None = None
    ray: str | None = None
    ray_workers: int | None = None
    resume: bool = True
    overwrite: bool = False
    max_failures: FailureLimit | None = None
    fail_fast: bool = False
    ignore_failures: bool = False

    @property
    def share_name(self) -> str:
        """The share's part of its journals' names: '2-of-4', or ''."""
        return str(self.shard or "")

    @property
    def thread_count(self) -> int:
        """Threads that read, and as many that write."""
        return self.workers or max(1, min(os.cpu_count() or 1, _MOST_WORKERS))

    def most_failures(self, total: int) -> int | None:
        """Return how many of `total` pictures may fail; None: all."""
        if self.fail_fast:
            return 0
        return None if self.max_failures is None else self.max_failures.most(total)


@dataclass(frozen=True, kw_only=True)
class MaskOptions(RunOptions):
    """The options of all runs that write masks.

    Attributes:
        labels: as `lseg_cli.data.vocabulary.open_labels` takes them.
        save: files beside the masks, of `lseg_cli.results.kinds.EXTRAS`.
        formats: of the masks, of `lseg_cli.results.kinds.FORMATS`.
        palette: None: a colour per label; 'none': plain grey; else a file of colours.
        templates: none: the model's own.
        min_confidence: pixels below it get the ignore id.
        min_margin: pixels whose best two labels are nearer than this get it too.
        top_k: above 1: so many labels of every pixel.
        cutout: names of the labels that are cut out of the picture; none: nothing is.
    """

    labels: str
    save: tuple[SaveKind, ...] = ()
    formats: tuple[MaskFormat, ...] = ("png",)
    palette: str | None = None
    templates: tuple[str, ...] = ()
    min_confidence: float = 0.0
    min_margin: float = 0.0
    top_k: int = 1
    cutout: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SegmentOptions(MaskOptions):
    """The options of `lseg segment`.

    Attributes:
        engine: the model and how it is run.
        imgsz: the long side of the network's input in px, or its (height, width); None: as the model was trained.
        tile: side of a tile in px of the picture; None: no tiles.
        overlap: of tiles in px; None: an eighth of the tile.
        max_megapixels: pictures with more are refused.
        batch: pictures at a time; None: 1 on the CPU, else 8.
        frames: which of a film are taken.
        watch: go on with pictures as they arrive, until interrupted.
        unsettled: absolute paths that are passed over, for they are still being written.
    """

    engine: EngineChoice = field(default_factory=EngineChoice)
    imgsz: int | tuple[int, int] | None = None
    tile: int | None = None
    overlap: int | None = None
    max_megapixels: float = 512.0
    batch: int | None = None
    frames: FramePick = ALL_FRAMES
    watch: bool = False
    unsettled: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(RunOptions):
    """The options of `lseg embed`.

    Attributes:
        engine: the model and how it is run.
        imgsz: as in `SegmentOptions`.
        stride: 4: compact, and exact for relabel; 2: the paper's embedding, of unit length.
        format: of the files.
        max_megapixels: as in `SegmentOptions`.
        batch: as in `SegmentOptions`.
        frames: as in `SegmentOptions`.
        watch: as in `SegmentOptions`.
        unsettled: as in `SegmentOptions`.
    """

    out: str = "feats"
    engine: EngineChoice = field(default_factory=EngineChoice)
    imgsz: int | tuple[int, int] | None = None
    stride: Stride = 4
    format: EmbeddingFormat = "safetensors"
    max_megapixels: float = 512.0
    batch: int | None = None
    frames: FramePick = ALL_FRAMES
    watch: bool = False
    unsettled: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RelabelOptions(MaskOptions):
    """The options of `lseg relabel`.

    Attributes:
        model: whose text encoder is used; None: the one that made the embeddings.
        threads: of the CPU; None: all cores.
    """

    model: str | None = None
    threads: int | None = None


def count_streams(cores: int, pictures: int) -> int:
    """Pictures that a CPU does side by side; so few that all cores are needed for one go one after another."""
    streams = min(cores, _MOST_STREAMS)
    return streams if pictures >= 2 * streams else 1
