"""OpenVINO on an exported `.onnx` file, for `lseg bench --peer openvino`: what a user might pick instead.

No engine of the product: `lseg segment` does not run it. Tuned as its manual says for latency, and kept at fp32, for
on newer CPUs it would take bf16 on its own and then answer otherwise.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lseg_cli.contract import PRECISION_KEY, Output
from lseg_cli.errors import MismatchError, MissingError
from lseg_engines.ort.header import read_onnx


class OpenVinoPeer:
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
        try:
            import openvino  # noqa: PLC0415  optional
        except ImportError as error:
            raise MissingError("The peer openvino is not installed: pip install openvino.") from error
        self.spec, metadata, _, _ = read_onnx(path)
        self.precision = metadata.get(PRECISION_KEY, "fp32")
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

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        """Shapes as in GraphSpec. The graph is cut to the outputs asked for, and compiled at their first time.

        Raises:
            MismatchError: a shape, width, count or type that the graph does not take.
        """
        self.spec.check(image, text)
        names = tuple(outputs)
        if names not in self._compiled:
            graph = self._graph.clone()
            wanted = [graph.output(name).node.input_value(0) for name in names]
            part = self._openvino.Model(wanted, graph.get_parameters())
            self._compiled[names] = self._core.compile_model(part, "CPU", self._settings)
        tensors = self._compiled[names]({"image": image, "text": text})
        return {name: tensors[index] for index, name in enumerate(names)}
