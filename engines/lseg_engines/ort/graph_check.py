"""Whether an ONNX graph is one that `lseg export` can have written, before a runtime builds anything of it.

A graph is a program: it can loop for ever, and a few bytes of it can ask for a hundred gigabytes. So it must have our
inputs and outputs, no control flow, as many numbers in its weights as it claims, and no constant shape of gigabytes.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from lseg_cli.contract import GraphSpec
from lseg_cli.files import open_regular
from lseg_cli.reading import reading
from lseg_engines.ort import wire

# Field numbers of onnx.proto.
_OPSET, _GRAPH, _FUNCTION, _FUNCTION_NODE = 8, 7, 25, 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _SPARSE = 1, 5, 11, 12, 15
_NODE_INPUT, _KIND, _ATTRIBUTE = 1, 4, 5
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS = 5, 6, 10, 11
_DIMS, _TYPE, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 8, 9, 13, 14
_NUMBERS = (4, 5, 6, 7, 10, 11)  # fields of a tensor's numbers

_UINT8, _INT32, _INT64, _FLOATS = 2, 6, 7, (1, 10, 16)
_TYPES = {"image": (_UINT8,), "text": (1,), "mask": (_INT32,)}
_RANKS = {"image": 4, "text": 2, "logits": 4, "mask": 3, "confidence": 3, "scores": 4, "features": 4}
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16, 21: 4, 22: 4}
_MAKERS = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "RandomNormal": 0, "OneHot": 1, "Range": 1, "Resize": 3}
_MOST = 2**27  # numbers that a constant asks for: 0.5 GB
_SMALL = 64  # numbers of a constant that may be a shape


def check_graph(model: memoryview, spec: GraphSpec, path: Path) -> None:
    """Raises MismatchError unless a graph is what its specification says.

    Args:
        model: the bytes of the file.
        spec: of the file.
        path: of the file: external data lie beside it.
    """
    with reading(path, "does not fit what lseg export writes", advice="; export it again"):
        opsets = [field.content for field in wire.find(model, _OPSET)]
        if not any(wire.string(each, 1) in ("", "ai.onnx") and 0 < _number(each, 2) < 1_000 for each in opsets):
            raise ValueError("it names no opset")
        (content,) = [field.content for field in wire.find(model, _GRAPH)]
        graph = wire.parsed(content)
        _check_ends(graph, spec)
        constants: dict[str, list[int]] = {}
        for field in wire.find(graph, _INITIALIZER):
            tensor = wire.parsed(field.content)
            _check_tensor(tensor, path)
            constants[wire.string(tensor, _NAME)] = _integers(tensor)
        if any(True for _ in wire.find(graph, _SPARSE)):
            raise ValueError("its weights are sparse")
        for node in _nodes(model, graph):
            _check_node(node, constants, path)


def _number(message: wire.Message, number: int) -> int:
    value = next(iter(wire.numbers(message, number)), 0)
    return value - 2**64 if value >= 2**63 else value


def _check_ends(graph: wire.Message, spec: GraphSpec) -> None:
    weights = {wire.string(field.content, _NAME) for field in wire.find(graph, _INITIALIZER)}
    inputs = {wire.string(field.content, 1): field.content for field in wire.find(graph, _INPUT)}
    inputs = {name: value for name, value in inputs.items() if name not in weights}
    outputs = {wire.string(field.content, 1): field.content for field in wire.find(graph, _OUTPUT)}
    if set(inputs) != {"image", "text"}:
        raise ValueError(f"its inputs are {', '.join(sorted(inputs))[:80] or 'none'}, not image and text")
    if not outputs or any(name not in _RANKS or name in inputs for name in outputs):
        raise ValueError(f"its outputs are {', '.join(sorted(outputs))[:80] or 'none'}")
    sides = {name: _check_end(name, value) for name, value in {**inputs, **outputs}.items()}
    if sides["text"][1] not in (0, spec.model.text.width) or sides["image"][3] not in (0, 3):
        raise ValueError("the shapes of its inputs are others")


def _check_end(name: str, value: memoryview) -> list[int]:
    """The sides of an input or output; 0 for a free one."""
    tensor = next((field.content for field in wire.find(value, 2)), memoryview(b""))
    tensor = next((field.content for field in wire.find(tensor, 1)), memoryview(b""))
    shape = next((field.content for field in wire.find(tensor, 2)), memoryview(b""))
    sides = [_number(field.content, 1) for field in wire.find(shape, 1)]
    kind = _number(tensor, 1)
    if kind not in _TYPES.get(name, _FLOATS) or len(sides) != _RANKS[name] or min(sides) < 0:
        raise ValueError(f"its {name} is of type {kind} and rank {len(sides)}")
    return sides


def _nodes(model: memoryview, graph: wire.Message) -> Iterator[memoryview]:
    yield from (field.content for field in wire.find(graph, _NODE))
    for function in wire.find(model, _FUNCTION):
        yield from (field.content for field in wire.find(function.content, _FUNCTION_NODE))


def _check_node(node: memoryview, constants: dict[str, list[int]], path: Path) -> None:
    parts = wire.parsed(node)
    kind, inputs = wire.string(parts, _KIND), wire.strings(parts, _NODE_INPUT)
    for attribute in wire.find(parts, _ATTRIBUTE):
        for field in wire.fields(attribute.content):
            if field.number in (_SUBGRAPH, _SUBGRAPHS):
                raise ValueError(f"its node {kind[:40]!r} holds a program of its own, which may never end")
            if field.number in (_TENSOR, _TENSORS):
                tensor = wire.parsed(field.content)
                _check_tensor(tensor, path)
                if kind == "Constant":
                    constants.update(dict.fromkeys(wire.strings(parts, 2), _integers(tensor)))
    position = _MAKERS.get(kind)
    shape = constants.get(inputs[position], []) if position is not None and len(inputs) > position else []
    if math.prod(max(1, abs(side)) for side in shape) > _MOST:
        raise ValueError(f"its node {kind} asks for {' x '.join(map(str, shape))[:80]} numbers")


def _integers(tensor: wire.Message) -> list[int]:
    """The numbers of a tensor that may be a shape; none of another."""
    count = math.prod(wire.numbers(tensor, _DIMS))
    if _number(tensor, _TYPE) != _INT64 or count > _SMALL or any(True for _ in wire.find(tensor, _EXTERNAL)):
        return []
    raw = next((field.content for field in wire.find(tensor, _RAW)), None)
    if raw is None:
        return [value - 2**64 if value >= 2**63 else value for value in wire.numbers(tensor, 7)]
    return list(struct.unpack(f"<{count}q", raw[: 8 * count]))


def _check_tensor(tensor: wire.Message, path: Path) -> None:
    """Whether there are as many numbers as a tensor's shape asks for."""
    name, kind = wire.string(tensor, _NAME)[:40], _number(tensor, _TYPE)
    dims = [value - 2**64 if value >= 2**63 else value for value in wire.numbers(tensor, _DIMS)]
    if min(dims, default=1) < 0 or (kind not in _BITS and kind != 8):
        raise ValueError(f"its weights {name!r} are of type {kind} and of the sizes {dims[:4]}")
    wanted = math.prod(dims)
    if _number(tensor, _LOCATION) == 1:
        return _check_external(tensor, wanted * _BITS.get(kind, 64), path)
    stored = [field for field in wire.fields(tensor) if field.number == _RAW or field.number in _NUMBERS]
    given = sum(8 if isinstance(field.value, int) else 8 * len(field.value) for field in stored)
    if given < wanted * min(8, _BITS.get(kind, 8)):  # at least a byte for a number, however it is written
        raise ValueError(f"its weights {name!r} are cut off")
    return None


def _check_external(tensor: wire.Message, wanted_bits: int, path: Path) -> None:
    """Weights beside the graph: in its own folder, in a regular file, whole."""
    entries = [field.content for field in wire.find(tensor, _EXTERNAL)]
    facts = {wire.string(each, 1): wire.string(each, 2) for each in entries}
    location = facts.get("location", "")
    folder = path.parent.resolve()
    file = (folder / location).resolve()
    if folder not in file.parents:
        raise ValueError(f"its weights lie at {location[:80]!r}, outside its own folder")
    open_regular(file).close()
    size = file.stat().st_size
    offset = int(facts.get("offset", "0")[:20])
    length = int(facts.get("length", str(size - offset))[:20])
    if min(offset, length) < 0 or offset + length > size or length * 8 < wanted_bits:
        raise ValueError(f"its weights in {location[:80]} are cut off")
