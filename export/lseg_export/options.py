"""What `lseg export` is asked to do. Imports next to nothing, for the command line reads its defaults first."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportOptions:
    """What kind of graph is wanted.

    Attributes:
        size: (height, width) of the pictures in px; None: as the model was trained, square.
        is_dynamic_size: any height and width that are multiples of 32, instead.
        precision: fp32 or fp16, of encoder and decoder.
        opset: of the ONNX standard.
    """

    size: tuple[int, int] | None = None
    is_dynamic_size: bool = False
    precision: str = "fp32"
    opset: int = 20
