"""An exported graph as ONNX Runtime runs it best. The masks stay what they are.

It computes every output of a graph, whichever are asked for: a thousand logits of every pixel for a program that wants
the scores before the last upsampling. So what nobody asks for is cut off before the session is made.

And on CPUs it lays the maps of a convolution out in blocks of 16 channels, if the kernel is a constant. The spatial
regulariser has one channel a label: seventeen times the memory, four times the time (200 labels at 208x320: 947 MB and
105 ms, else 5 MB and 30 ms). So its kernel is multiplied with a one that the runtime cannot know.
"""

import struct
from collections.abc import Collection
from pathlib import Path

from lseg_cli.contract import GraphSpec, Output
from lseg_cli.errors import MismatchError
from lseg_engines.ort import wire
from lseg_engines.ort.graph_check import check_graph
from lseg_engines.ort.header import GRAPH, INPUTS, OPSET, OUTPUTS, metadata_of, opened

_NODE, _INITIALIZER = 1, 5  # of GraphProto
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_KIND, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5  # of NodeProto
_DIMS, _TYPE, _TENSOR_NAME, _RAW = 1, 2, 8, 9  # of TensorProto
_FLOAT, _INT64 = 1, 7  # of a tensor's types
_ATTRIBUTE_INT = 2  # of an attribute's types

Chunks = list[bytes | memoryview]


def part_of(path: Path, outputs: Collection[Output]) -> bytes:
    """An ONNX file without what makes other outputs only; weights that stand beside it stay there.

    Raises:
        MismatchError: the file is not an ONNX graph, none of this tool, or has not these outputs.
        MissingError: it cannot be read.
    """
    with opened(path) as model:
        metadata = metadata_of(model)
        check_graph(model, GraphSpec.from_metadata(metadata, str(path)), path)
        whole: Chunks = []
        missing: list[str] = []
        for field in wire.fields(model):
            if field.number != GRAPH:
                whole.append(field.whole)
                continue
            made = {wire.string(each.content, 1) for each in wire.find(field.content, OUTPUTS)}
            missing += [name for name in outputs if name not in made]
            whole += wire.message(GRAPH, *_free_kernels(_cut(field.content, set(outputs))))
        part = b"".join(whole)
    if missing:
        raise MismatchError(f"{path} has no output {missing[0]!r}: an earlier version wrote it; export it again.")
    return part


def graph_of_one_node() -> bytes:
    """A model that does next to nothing: `x` float32 [2] in, `y` without what is below zero out."""
    dim = b"".join(wire.message(1, wire.integer(1, 2)))
    tensor = b"".join([wire.integer(1, _FLOAT), *wire.message(2, dim)])
    kind = b"".join(wire.message(2, *wire.message(1, tensor)))
    ends = [(number, wire.text(1, name) + kind) for number, name in ((INPUTS, "x"), (OUTPUTS, "y"))]
    graph = [*_node("Relu", ["x"], "y"), wire.text(2, "one")]
    graph += [part for number, value in ends for part in wire.message(number, value)]
    opset = b"".join(wire.message(OPSET, wire.integer(2, 17)))
    return b"".join([wire.integer(1, 8), opset, *wire.message(GRAPH, *graph)])


def _cut(graph: memoryview, needed: set[str]) -> list[wire.Field]:
    """What the `needed` outputs need of a graph; weights, which may be a gigabyte, are not copied."""
    kept: list[wire.Field] = []
    wanted = frozenset(needed)
    for field in reversed(list(wire.fields(graph))):  # the format lists nodes first, each before what needs it
        if field.number == _NODE:
            node = wire.parsed(field.content)
            if needed.isdisjoint(wire.strings(node, _NODE_OUTPUT)):
                continue
            needed.update(wire.strings(node, _NODE_INPUT))
        elif field.number == OUTPUTS and wire.string(field.content, 1) not in wanted:
            continue
        kept.append(field)
    kept = [each for each in kept if each.number != _INITIALIZER or _name(each) in needed]
    return kept[::-1]


def _name(initializer: wire.Field) -> str:
    return wire.string(initializer.content, _TENSOR_NAME)


def _free_kernels(graph: list[wire.Field]) -> Chunks:
    """The graph in which kernels of one channel are no constants."""
    kernels = [
        _name(field)
        for field in graph
        if field.number == _INITIALIZER and len(dims := wire.numbers(field.content, _DIMS)) == 4 and dims[:2] == [1, 1]
    ]
    if not kernels:
        return [field.whole for field in graph]
    ones: Chunks = [
        *_node("Shape", ["text"], "free/labels", end=1),  # one label or more
        *_node("Min", ["free/labels", "free/one"], "free/min"),
        *_node("Cast", ["free/min"], "free/factor", to=_FLOAT),
    ]
    for kernel in kernels:
        ones += _node("Mul", [kernel, "free/factor"], f"{kernel}/free")
    return [*ones, *(part for field in graph for part in _with_free(field, kernels)), *_one("free/one")]


def _with_free(field: wire.Field, kernels: Collection[str]) -> Chunks:
    """A field as it is; a node that takes one of the kernels takes its product instead."""
    if field.number != _NODE or not set(kernels).intersection(wire.strings(field.content, _NODE_INPUT)):
        return [field.whole]
    parts = [_renamed(each, kernels) for each in wire.fields(field.content)]
    return wire.message(_NODE, *parts)


def _renamed(field: wire.Field, kernels: Collection[str]) -> bytes | memoryview:
    if field.number == _NODE_INPUT and field.text in kernels:
        return wire.text(_NODE_INPUT, f"{field.text}/free")
    return field.whole


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> Chunks:
    """A node with whole numbers for attributes."""
    parts: Chunks = [wire.text(_NODE_INPUT, name) for name in inputs]
    parts += [wire.text(_NODE_OUTPUT, output), wire.text(_NODE_NAME, output), wire.text(_NODE_KIND, kind)]
    for name, value in attributes.items():
        attribute = wire.text(1, name) + wire.integer(3, value) + wire.integer(20, _ATTRIBUTE_INT)
        parts += wire.message(_NODE_ATTRIBUTE, attribute)
    return wire.message(_NODE, *parts)


def _one(name: str) -> Chunks:
    """An initializer, int64 [1]."""
    parts = wire.integer(_DIMS, 1) + wire.integer(_TYPE, _INT64) + wire.text(_TENSOR_NAME, name)
    return wire.message(_INITIALIZER, parts, *wire.message(_RAW, struct.pack("<q", 1)))
