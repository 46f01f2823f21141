"""Files that are nearly right: what damage, other programs and people who mean harm make of a valid one."""

import copy
import json
import struct
from collections.abc import Callable
from typing import Any

import onnx
from hypothesis import strategies as st

Draw = Callable[[Any], Any]

_NUMBERS = (0, -1, 1, 255, 65_535, 2**31 - 1, 2**31, 2**32, 2**63, 10**30, 1e308, -1.5)
_VALUES: tuple[Any, ...] = (None, True, "", "\u0000", "x" * 300, "\ud83d\ude00", [], {}, [[]], {"a": {}}, *_NUMBERS)
_BYTES = (b"\0", b"\xff", b"\n", b"{", b"[", b'"', b"PK\3\4", b"\x80\4", b"9" * 30, b"../", b"\xc3\x28", b"%n")


@st.composite
def damaged(draw: Draw, data: bytes) -> bytes:
    """Bytes of which some are others, missing, doubled or cut off."""
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        if draw(st.booleans()):  # near the beginning or the end, where headers and directories are
            start = draw(st.sampled_from([min(start, start % 64), max(0, len(data) - 1 - start % 128)]))
        length = draw(st.sampled_from([1, 2, 4, 8, 64, 1024]))
        part = draw(_replaced(data[start : start + length], len(data)))
        data = data[:start] + part + (b"" if draw(st.integers(0, 9)) == 0 else data[start + length :])
    return data


@st.composite
def _replaced(draw: Draw, part: bytes, size: int) -> bytes:
    """What stands in place of some bytes of a file of a size."""
    number = struct.pack("<q", draw(st.sampled_from([0, -1, 2**31, 2**40, 2**62, size])))
    flipped = bytes([part[0] ^ (1 << draw(st.integers(0, 7)))]) + part[1:] if part else part
    noise = draw(st.binary(min_size=min(len(part), 64), max_size=min(len(part), 64)))
    other: bytes = draw(
        st.sampled_from([b"", part + part, flipped, number, noise, draw(st.sampled_from(_BYTES)) + part])
    )
    return other


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(inner for key, each in list(items)[:50] for inner in _places(each, (*place, key)))]


@st.composite
def other_json(draw: Draw, value: Any) -> Any:
    """JSON with other values, without some keys, or with new ones."""
    value = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(_places(value)))
        new = copy.deepcopy(draw(st.sampled_from(_VALUES)))  # else a list could come to hold itself
        if not place:
            if draw(st.integers(0, 9)) == 0:
                return new
            continue
        parent = value
        for key in place[:-1]:
            parent = parent[key]
        kind = draw(st.sampled_from(["set", "set", "delete", "add"]))
        if kind == "set" or (kind == "add" and isinstance(parent, list)):
            parent[place[-1]] = new
        elif kind == "delete":
            del parent[place[-1]]
        else:
            parent[draw(st.sampled_from(["x", "weights", "home", "__metadata__", "id", "names"]))] = new
    return value


@st.composite
def other_text_json(draw: Draw, data: bytes) -> bytes:
    """A file of JSON, changed as JSON or as bytes."""
    if draw(st.booleans()):
        changed: bytes = draw(damaged(data))
        return changed
    return json.dumps(draw(other_json(json.loads(data)))).encode("utf-8", "surrogatepass")


@st.composite
def other_safetensors(draw: Draw, data: bytes) -> bytes:
    """A safetensors file with another header, another configuration inside it, or damaged bytes."""
    if draw(st.integers(0, 2)) == 0:
        changed: bytes = draw(damaged(data))
        return changed
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.get("__metadata__", {})
    inner = [key for key, text in metadata.items() if text.startswith("{")]
    if inner and draw(st.booleans()):
        key = draw(st.sampled_from(inner))
        metadata[key] = json.dumps(draw(other_json(json.loads(metadata[key]))))
    else:
        header = draw(other_json(header))
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    size = draw(st.sampled_from([len(text), len(text), len(text), 0, 2**40, len(text) + 1]))
    return struct.pack("<Q", size) + text + data[8 + length :]


@st.composite
def other_onnx(draw: Draw, data: bytes) -> bytes:
    """A graph with other nodes, shapes, types, opsets or specification."""
    if draw(st.integers(0, 3)) == 0:
        changed: bytes = draw(damaged(data))
        return changed
    model = onnx.load_model_from_string(data)
    for _ in range(draw(st.integers(1, 3))):
        draw(st.sampled_from(_CHANGES))(draw, model)
    serialized: bytes = model.SerializeToString()
    return serialized


_SIZE = st.sampled_from([0, -1, 1, 3, 2**31, 2**40, 2**62])


def _change_opset(draw: Draw, model: onnx.ModelProto) -> None:
    del model.opset_import[:]
    if draw(st.booleans()):
        model.opset_import.append(onnx.helper.make_opsetid(draw(st.sampled_from(["", "x"])), draw(_SIZE)))


def _change_end(draw: Draw, model: onnx.ModelProto) -> None:
    value = draw(st.sampled_from([*model.graph.input, *model.graph.output]))
    value.type.tensor_type.elem_type = draw(st.integers(0, 25))
    if value.type.tensor_type.shape.dim and draw(st.booleans()):
        draw(st.sampled_from(list(value.type.tensor_type.shape.dim))).dim_value = draw(_SIZE)


def _rename_end(draw: Draw, model: onnx.ModelProto) -> None:
    value = draw(st.sampled_from([*model.graph.input, *model.graph.output]))
    value.name = draw(st.sampled_from(["", "x", "mask"]))


def _change_weight(draw: Draw, model: onnx.ModelProto) -> None:
    tensor = draw(st.sampled_from(list(model.graph.initializer)))
    tensor.dims.append(draw(_SIZE))
    if draw(st.booleans()):
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", draw(st.sampled_from(["../x", "/dev/zero", "gone", "", "\u0000"]))


def _change_node(draw: Draw, model: onnx.ModelProto) -> None:
    node = draw(st.sampled_from(list(model.graph.node)))
    node.op_type = draw(st.sampled_from([*sorted({each.op_type for each in model.graph.node}), "Loop", "Tile", "No"]))


def _add_loop(draw: Draw, model: onnx.ModelProto) -> None:
    body = onnx.helper.make_graph([], "b", [], [])
    ends = [draw(st.sampled_from(["end", "scores"]))]
    model.graph.node.insert(0, onnx.helper.make_node("Loop", ["", "on"], ends, body=body))


def _add_large(draw: Draw, model: onnx.ModelProto) -> None:
    """A few bytes that ask for 4 MB to a petabyte."""
    shape = onnx.helper.make_tensor("large", onnx.TensorProto.INT64, [2], [2 ** draw(st.integers(10, 40)), 2**10])
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, onnx.helper.make_node("ConstantOfShape", ["large"], ["zeros"]))
    model.graph.node.append(onnx.helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0))
    model.graph.node.append(onnx.helper.make_node("Add", ["sum", model.graph.output[0].name], ["more"]))


def _change_metadata(draw: Draw, model: onnx.ModelProto) -> None:
    prop = draw(st.sampled_from(list(model.metadata_props)))
    is_json = prop.value.startswith("{")
    prop.value = json.dumps(draw(other_json(json.loads(prop.value)))) if is_json else draw(st.text(max_size=20))


_CHANGES = (
    _change_opset, _change_end, _rename_end, _change_weight, _change_node, _add_loop, _add_large, _change_metadata,
)  # fmt: skip
