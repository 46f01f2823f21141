"""What `lseg embed` and `lseg relabel` are asked to do. Imports nothing: the command line reads the defaults first."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EmbedJob:
    """Options as the user wrote them."""

    inputs: tuple[str, ...]
    model: str = "lseg-tiny"
    out: str = "feats"
    imgsz: str | None = None  # as in SegmentJob
    stride: int = 4  # 4: compact, and exact for relabel; 2: the paper's embedding, of unit length
    format: str = "safetensors"  # or npy
    device: str = "auto"
    precision: str = "fp32"
    threads: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class RelabelJob:
    """Options as the user wrote them."""

    inputs: tuple[str, ...]
    labels: str
    model: str | None = None  # whose text encoder is used; None: the one that made the embeddings
    out: str = "out"
    save: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    min_confidence: float = 0.0
    threads: int | None = None
    overwrite: bool = False
