"""How a bfloat16 graph is checked where no run time has bfloat16 convolutions: ONNX Runtime's CPU provider has none.

Twice, each time for one half of the question. The module that was traced runs in PyTorch, in bfloat16: what the number
format costs. The graph runs in ONNX Runtime with its numbers widened to float32: that it computes what it should, from
the weights as they are in the file.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from lseg_cli.contract import GraphSpec, Output
from lseg_cli.model.checkpoint import load_model
from lseg_export.graph import Graph
from lseg_export.onnx_file import save_graph
from lseg_export.precision import cast


class TracedEngine:
    """The module that an exported file was traced from, in PyTorch on the CPU. Fulfils `lseg_cli.contract.Engine`."""

    device = "cpu"

    def __init__(self, source: Path, spec: GraphSpec, precision: str) -> None:
        """`source` is the `.safetensors` model, `spec` that of the exported file."""
        model = load_model(source)
        self.spec = spec
        self.precision = precision
        self._graph = Graph(model, cast(model, precision)).eval()

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        """Shapes as in GraphSpec."""
        self.spec.check(image, text)
        with torch.inference_mode():
            tensors = self._graph(torch.from_numpy(image), torch.from_numpy(text))
        named = dict(zip(self.spec.outputs, tensors, strict=True))
        return {name: named[name].numpy() for name in outputs}


def widen(path: Path, target: Path) -> None:
    """Writes a bfloat16 graph with every bfloat16 number as the float32 of the same value."""
    proto = onnx.load(path)
    for tensor in proto.graph.initializer:
        _widen_tensor(tensor)
    for node in proto.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.BFLOAT16:
                attribute.i = TensorProto.FLOAT
            if attribute.type == onnx.AttributeProto.TENSOR:
                _widen_tensor(attribute.t)
    save_graph(proto, target)


def _widen_tensor(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.BFLOAT16:
        values: NDArray[np.float32] = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
