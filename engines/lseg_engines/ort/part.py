"""An exported graph as ONNX Runtime runs it best. The masks stay what they are.

It computes every output of a graph, whichever are asked for: a thousand logits of every pixel for a program that wants
the scores before the last upsampling. So what nobody asks for is cut off before the session is made.

And on CPUs it lays the maps of a convolution out in blocks of 16 channels, if the kernel is a constant. The spatial
regulariser has one channel a label: seventeen times the memory, four times the time (200 labels at 208x320: 947 MB and
105 ms, else 5 MB and 30 ms). So its kernel is multiplied with a one that the runtime cannot know.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
from onnx.helper import make_node
from onnx.numpy_helper import from_array

from lseg_cli.contract import Output
from lseg_cli.errors import MismatchError
from lseg_engines.ort.header import read_onnx


def part_of(path: Path, outputs: Collection[Output]) -> bytes:
    """An ONNX file without what makes other outputs only; weights that stand beside it stay there.

    Raises:
        MismatchError: the file is no ONNX graph, none of this tool, or has not these outputs.
    """
    model, _, _ = read_onnx(path)
    made = {output.name for output in model.graph.output}
    missing = [name for name in outputs if name not in made]
    if missing:
        raise MismatchError(f"{path} has no output {missing[0]!r}: an earlier version wrote it; export it again.")
    _cut(model.graph, set(outputs))
    _free_kernels(model.graph)
    part: bytes = model.SerializeToString()
    return part


def _cut(graph: onnx.GraphProto, needed: set[str]) -> None:
    """Drops what none of the `needed` outputs needs; by index, for weights may be a gigabyte and are not copied."""
    unneeded = [index for index, output in enumerate(graph.output) if output.name not in needed]
    for index in reversed(unneeded):
        del graph.output[index]
    for index in reversed(range(len(graph.node))):  # a graph lists what is needed before what needs it
        if needed.isdisjoint(graph.node[index].output):
            del graph.node[index]
        else:
            needed.update(graph.node[index].input)
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in needed:
            del graph.initializer[index]


def _free_kernels(graph: onnx.GraphProto) -> None:
    """Takes from kernels of one channel that they are constants."""
    kernels = [tensor.name for tensor in graph.initializer if len(tensor.dims) == 4 and tensor.dims[:2] == [1, 1]]
    if not kernels:
        return
    for node in graph.node:
        node.input[:] = [f"{name}/free" if name in kernels else name for name in node.input]
    graph.initializer.append(from_array(np.ones(1, np.int64), "free/one"))
    ones = [
        make_node("Shape", ["text"], ["free/labels"], end=1),  # one label or more
        make_node("Min", ["free/labels", "free/one"], ["free/min"]),
        make_node("Cast", ["free/min"], ["free/factor"], to=onnx.TensorProto.FLOAT),
        *(make_node("Mul", [kernel, "free/factor"], [f"{kernel}/free"]) for kernel in kernels),
    ]
    for node in reversed(ones):
        graph.node.insert(0, node)
