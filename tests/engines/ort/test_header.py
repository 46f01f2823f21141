"""What a file says of itself, read without the package onnx, beside what that package reads."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lseg_cli.config import ModelConfig
from lseg_cli.errors import MismatchError, MissingError
from lseg_engines.ort import wire
from lseg_engines.ort.header import read_metadata, read_onnx
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]


@pytest.mark.parametrize("options", [GraphOptions(), GraphOptions(size=(64, 96))])
def test_the_header_is_what_the_package_reads(
    options: GraphOptions, pyramid_config: ModelConfig, exported: Exporter
) -> None:
    _, path = exported(pyramid_config, options)
    header, model = read_onnx(path), onnx.load(path)
    assert header.metadata == {each.key: each.value for each in model.metadata_props}
    assert header.opset == 20
    assert header.shapes == {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert len(header.spec.kernel) == 10


def test_numbers_together_or_one_by_one_are_the_same() -> None:
    tensor = numpy_helper.from_array(np.zeros((3, 300, 1), np.float32), "zeros")
    together = memoryview(tensor.SerializeToString())
    one_by_one = b"".join(wire.integer(1, side) for side in (3, 300, 1))
    assert wire.numbers(together, 1) == wire.numbers(memoryview(one_by_one), 1) == [3, 300, 1]


def test_what_is_written_is_what_the_package_reads() -> None:
    node = b"".join([wire.text(1, "x"), wire.text(2, "ü" * 200), wire.text(4, "Relu")])
    graph = onnx.GraphProto.FromString(b"".join(wire.message(1, node)))
    assert [(list(each.input), list(each.output), each.op_type) for each in graph.node] == [
        (["x"], ["ü" * 200], "Relu"),
    ]


def test_a_file_of_others_is_told(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [])
    onnx.save(helper.make_model(graph), tmp_path / "other.onnx")
    assert read_metadata(tmp_path / "other.onnx") == {}
    with pytest.raises(MismatchError, match="does not say what it is"):
        read_onnx(tmp_path / "other.onnx")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_file_that_is_cut_off_is_told(
    share: float, pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path
) -> None:
    content = exported(pyramid_config, GraphOptions())[1].read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(MismatchError, match="is damaged: it is not a complete ONNX graph"):
        read_onnx(path)
    with pytest.raises(MissingError, match="cannot be read"):
        read_onnx(tmp_path / "none.onnx")


def test_noise_ends_in_a_sentence(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(300):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(b"\x08\x0a" + random.bytes(int(random.integers(1, 200))))
        with pytest.raises(MismatchError):
            read_onnx(path)
