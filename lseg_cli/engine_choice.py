"""Which engine is to run a model, as a command or the API chose it. Imports nothing, for the command line reads it."""

from dataclasses import dataclass
from typing import Literal, get_args

EngineKind = Literal["auto", "torch", "onnx", "openvino", "trt"]
Precision = Literal["fp32", "fp16", "bf16"]
# Those of PyTorch, and of ONNX Runtime's providers; a number may follow after a colon, as in cuda:1.
DeviceKind = Literal["auto", "cpu", "cuda", "mps", "coreml", "dml", "openvino", "rocm", "tensorrt"]

DEVICE_KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)


@dataclass(frozen=True)
class EngineChoice:
    """A model and how it is to be run; travels from the options to `lseg_engines.opener.open_engine` as one value.

    Attributes:
        model: the bundled model's name, that of a published one, or a file.
        kind: the engine that is required; auto: the one that the file's content is for.
        device: one of `DEVICE_KINDS`, or such as cuda:1.
        precision: of the arithmetic, where the engine can choose.
        threads: of the CPU; None: as the runtime chooses.
    """

    model: str = "lseg-tiny"
    kind: EngineKind = "auto"
    device: str = "auto"
    precision: Precision = "fp32"
    threads: int | None = None
