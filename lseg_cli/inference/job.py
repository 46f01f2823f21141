"""What `lseg segment` is asked to do. Imports nothing, for the command line reads its defaults before anything else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SegmentJob:
    """Options as the user wrote them."""

    inputs: tuple[str, ...]
    labels: str
    model: str = "lseg-tiny"  # the bundled one's name, or a file
    out: str = "out"
    imgsz: str | None = None  # '480' (long side) or '480x640' (height x width); None: as the model was trained
    save: tuple[str, ...] = ()  # beside the masks: overlay, conf
    templates: tuple[str, ...] = ()  # none: the model's own
    min_confidence: float = 0.0
    engine: str = "auto"  # torch, onnx or trt: that the file be of its kind
    device: str = "auto"
    precision: str = "fp32"
    threads: int | None = None
    overwrite: bool = False
