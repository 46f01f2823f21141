"""What `lseg embed` and `lseg relabel` are asked to do. Imports nothing: the command line reads the defaults first."""

from dataclasses import dataclass

from lseg_cli.engine_choice import EngineChoice
from lseg_cli.results.kinds import EmbeddingFormat, SaveKind, Stride


@dataclass(frozen=True)
class EmbedJob:
    """What is embedded, and how."""

    inputs: tuple[str, ...]
    engine: EngineChoice = EngineChoice()
    out: str = "feats"
    imgsz: int | tuple[int, int] | None = None  # as in SegmentJob
    stride: Stride = 4  # 4: compact, and exact for relabel; 2: the paper's embedding, of unit length
    format: EmbeddingFormat = "safetensors"
    overwrite: bool = False


@dataclass(frozen=True)
class RelabelJob:
    """What is labelled anew, and how."""

    inputs: tuple[str, ...]
    labels: str
    model: str | None = None  # whose text encoder is used; None: the one that made the embeddings
    out: str = "out"
    save: tuple[SaveKind, ...] = ()
    templates: tuple[str, ...] = ()
    min_confidence: float = 0.0
    threads: int | None = None
    overwrite: bool = False
