"""Whether an ONNX graph is one that `lseg export` can have written, before a runtime builds anything of it.

A graph is a program: it can loop for ever, and a few bytes of it can ask for a hundred gigabytes. So it must have our
inputs and outputs, no control flow, as many numbers in its weights as it claims, and no tensor at the smallest picture
that a network of this kind would not have.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto

from lseg_cli.config import SIZE_MULTIPLE
from lseg_cli.contract import GraphSpec
from lseg_cli.files import open_regular
from lseg_cli.reading import reading

_RANKS = {"image": 4, "text": 2, "logits": 4, "mask": 3, "confidence": 3, "scores": 4, "features": 4}
_TYPES = {"image": TensorProto.UINT8, "text": TensorProto.FLOAT, "mask": TensorProto.INT32}
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_MOST = 2**27  # numbers of one tensor at the smallest picture; or:
_MOST_PER_PIXEL = 2_000  # ViT-L/16's attention has 56 at 480 pixels, 256 at 1,024
_SMALL = 4_096  # numbers of a constant that may be a shape
_BITS: dict[int, int] = {TensorProto.UINT4: 4, TensorProto.INT4: 4, TensorProto.FLOAT4E2M1: 4}


def check_graph(model: onnx.ModelProto, spec: GraphSpec, path: Path) -> None:
    """Raises MismatchError unless a graph is what its specification says.

    Args:
        model: of a file; its external data need not be loaded.
        spec: of the file.
        path: of the file: external data lie beside it.
    """
    with reading(path, "does not fit what lseg export writes", advice="; export it again"):
        if not any(each.domain in ("", "ai.onnx") and each.version > 0 for each in model.opset_import):
            raise ValueError("it names no opset")
        _check_ends(model.graph, spec)
        for node in _nodes(model):
            if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
                raise ValueError(f"its node {node.op_type[:40]!r} holds a program of its own, which may never end")
        for tensor in _tensors(model):
            _check_tensor(tensor, path)
        _check_sizes(model, spec)


def _check_ends(graph: onnx.GraphProto, spec: GraphSpec) -> None:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in weights}
    if set(inputs) != {"image", "text"}:
        raise ValueError(f"its inputs are {', '.join(sorted(inputs))[:80] or 'none'}, not image and text")
    outputs = {value.name: value for value in graph.output}
    strange = [name for name in outputs if name not in _RANKS or name in inputs]
    if not outputs or strange:
        raise ValueError(f"its outputs are {', '.join(sorted(outputs))[:80] or 'none'}")
    for name, value in {**inputs, **outputs}.items():
        tensor = value.type.tensor_type
        rank = len(tensor.shape.dim)
        is_right_type = tensor.elem_type == _TYPES[name] if name in _TYPES else tensor.elem_type in _FLOATS
        if not value.type.HasField("tensor_type") or not is_right_type or rank != _RANKS[name]:
            kind = TensorProto.DataType.Name(tensor.elem_type) if tensor.elem_type else "nothing"
            raise ValueError(f"its {name} is {kind} of rank {rank}")
    width = inputs["text"].type.tensor_type.shape.dim[1].dim_value
    if width not in (0, spec.model.text.width) or inputs["image"].type.tensor_type.shape.dim[3].dim_value not in (0, 3):
        raise ValueError("the shapes of its inputs are others")


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    yield from model.graph.node
    for function in model.functions:
        yield from function.node


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Weights and constants."""
    yield from model.graph.initializer
    if model.graph.sparse_initializer:
        raise ValueError("its weights are sparse")
    for node in _nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_tensor(tensor: TensorProto, path: Path) -> None:
    """Whether there are as many numbers as a tensor's shape asks for."""
    if min(tensor.dims, default=1) < 0:
        raise ValueError(f"its weights {tensor.name[:40]!r} have a negative size")
    wanted = math.prod(tensor.dims)
    if tensor.data_location == TensorProto.EXTERNAL:
        _check_external(tensor, wanted, path)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) * 8 < wanted * _bits(tensor):
            raise ValueError(f"its weights {tensor.name[:40]!r} are cut off")
    elif wanted > 2 * _stored(tensor):  # of two 4-bit numbers each
        raise ValueError(f"its weights {tensor.name[:40]!r} are missing")


def _stored(tensor: TensorProto) -> int:
    fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    return max(len(tensor.string_data), *map(len, fields))


def _bits(tensor: TensorProto) -> int:
    if tensor.data_type in _BITS:
        return _BITS[tensor.data_type]
    return 8 * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _check_external(tensor: TensorProto, wanted: int, path: Path) -> None:
    """Weights beside the graph: in its own folder, in a regular file, whole."""
    facts = {entry.key: entry.value for entry in tensor.external_data}
    folder = path.parent.resolve()
    place = (folder / facts["location"]).resolve()
    if folder not in place.parents:
        raise ValueError(f"its weights lie at {facts['location'][:80]!r}, outside its own folder")
    open_regular(place).close()
    size = place.stat().st_size
    offset = int(facts.get("offset", "0"))
    length = int(facts.get("length", size - offset))
    if min(offset, length) < 0 or offset + length > size or length * 8 < wanted * _bits(tensor):
        raise ValueError(f"its weights {tensor.name[:40]!r} are cut off")


def _check_sizes(model: onnx.ModelProto, spec: GraphSpec) -> None:
    """Whether some tensor is of gigabytes even at the smallest picture and one label."""
    height, width = spec.height_px or SIZE_MULTIPLE, spec.width_px or SIZE_MULTIPLE
    outline = onnx.ModelProto()
    outline.CopyFrom(_without_weights(model))
    for value in outline.graph.input:
        sides = {"image": (1, height, width, 3), "text": (1, spec.model.text.width)}.get(value.name)
        if sides:
            for dim, side in zip(value.type.tensor_type.shape.dim, sides, strict=True):
                if not dim.dim_value:
                    dim.dim_value = side
    del outline.graph.value_info[:]
    for value in outline.graph.output:
        value.type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(outline, check_type=False, strict_mode=False, data_prop=True)
    most = max(_MOST, _MOST_PER_PIXEL * height * width)
    for value in (*found.graph.value_info, *found.graph.output):
        count = math.prod(max(1, dim.dim_value) for dim in value.type.tensor_type.shape.dim)
        if count > most:
            raise ValueError(f"its tensor {value.name[:40]!r} has {count:,} numbers for the smallest picture")


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with inputs in place of its weights; what may be a shape stays. Nothing large is copied."""
    graph = model.graph
    small = [tensor for tensor in graph.initializer if math.prod(tensor.dims) <= _SMALL and not tensor.external_data]
    kept = {tensor.name for tensor in small}
    outline = onnx.helper.make_graph([], graph.name, list(graph.input), list(graph.output), small)
    outline.node.extend(graph.node)
    outline.input.extend(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in graph.initializer
        if tensor.name not in kept
    )
    made = onnx.helper.make_model(outline, opset_imports=model.opset_import, ir_version=model.ir_version)
    made.functions.extend(model.functions)
    return made
