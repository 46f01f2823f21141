"""What kind of graph `lseg export` writes. Imports next to nothing, for the command line reads its defaults first."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class GraphOptions:
    """What kind of graph is wanted.

    Attributes:
        size: (height, width) of the pictures in px; None: any height and width that are multiples of 32.
        precision: fp32, fp16 or bf16, of encoder and decoder; int8 begins as fp32 (`lseg_engines.ort.quantizer`).
        opset: of the ONNX standard; bf16 takes 22 at least.
        is_slim: simplified by onnxslim.
    """

    size: tuple[int, int] | None = None
    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    opset: int = 20
    is_slim: bool = False
