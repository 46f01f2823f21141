"""The engine that runs an exported `.onnx` file in OpenVINO: a tenth faster than ONNX Runtime with few labels.

Tuned as its manual says for latency, and kept at fp32, for on newer CPUs it would take bf16 on its own and then answer
otherwise.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lseg_cli.contract import PRECISION_KEY, Output
from lseg_cli.errors import MemoryFullError, MismatchError, MissingError
from lseg_cli.extras import require
from lseg_engines.ort.header import read_onnx
from lseg_engines.text_tower import with_tower

DEVICES = ("auto", "cpu")


class OpenVinoEngine:
    """Fulfils `lseg_cli.contract.Engine`, on the CPU."""

    device = "cpu"

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Reads an `.onnx` file that `lseg export` wrote.

        Args:
            path: of the file.
            threads: of the CPU; None: as OpenVINO chooses.

        Raises:
            MissingError: OpenVINO is not installed.
            MismatchError: no ONNX file of this tool, or one that OpenVINO does not take.
        """
        require("openvino", "--engine openvino")
        import openvino  # noqa: PLC0415  optional

        header = read_onnx(path)
        self.spec = with_tower(header.spec, path)
        self.precision = header.metadata.get(PRECISION_KEY, "fp32")
        self._settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        self._openvino: Any = openvino
        self._core = openvino.Core()
        try:
            self._graph = self._core.read_model(path)
        except RuntimeError as error:
            raise MismatchError(f"OpenVINO does not take {path}: {str(error).splitlines()[-1]}") from error
        self._compiled: dict[tuple[Output, ...], Any] = {}

    @classmethod
    def open(cls, path: Path, device: str = "auto", threads: int | None = None) -> "OpenVinoEngine":
        """Opens an `.onnx` file that `lseg export` wrote.

        Args:
            path: of the file.
            device: 'auto' or 'cpu'.
            threads: of the CPU; None: as OpenVINO chooses.

        Raises:
            MissingError: OpenVINO is not installed, or another device.
            MismatchError: no ONNX file of this tool, or one that OpenVINO does not take.
        """
        if device not in DEVICES:
            raise MissingError(f"--engine openvino runs on the CPU, and --device {device} is given; omit one of them.")
        return cls(path, threads)

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        """Shapes as in GraphSpec. The graph is cut to the outputs asked for, and compiled at their first time.

        Raises:
            MismatchError: a shape, width, count, type or output that the graph does not take.
            MemoryFullError: the memory is full.
        """
        self.spec.check(image, text)
        names = tuple(outputs)
        feeds = {"image": np.ascontiguousarray(image), "text": np.ascontiguousarray(text)}
        # A request of its own: several threads may run at once.
        request = self._compile(names).create_infer_request()
        try:
            tensors = request.infer(feeds)
        except RuntimeError as error:
            if "alloc" not in str(error).lower():
                raise
            raise MemoryFullError(
                f"The memory is full at {image.shape[1]}x{image.shape[2]} pixels with {len(text)} labels; take a "
                "smaller --imgsz or fewer labels."
            ) from error
        return {name: tensors[index].copy() for index, name in enumerate(names)}

    def _compile(self, names: tuple[Output, ...]) -> Any:
        """The part of the graph that makes some outputs, ready to run."""
        if names not in self._compiled:
            missing = set(names) - set(self.spec.outputs)
            if missing:
                raise MismatchError(f"The engine gives no {missing.pop()!r}: export the model again.")
            graph = self._graph.clone()
            wanted = [graph.output(name).node.input_value(0) for name in names]
            part = self._openvino.Model(wanted, graph.get_parameters())
            self._compiled[names] = self._core.compile_model(part, "CPU", self._settings)
        return self._compiled[names]
