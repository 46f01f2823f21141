"""The lint finds what an exporter leaves of its example."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lseg_cli.errors import VerificationError
from lseg_export.lint import Dims, check_graph, free_primes

TRACED = {"batch": 29, "labels": 31}


def graph(*nodes: onnx.NodeProto, output: Dims = ("n", 8), **constants: Any) -> onnx.ModelProto:
    return helper.make_model(
        helper.make_graph(
            list(nodes) or [helper.make_node("Relu", ["x"], ["y"])],
            "test",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(output))],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        )
    )


def check(model: onnx.ModelProto) -> None:
    check_graph(model, TRACED, {"x": ("batch", 8), "y": ("batch", 8)})


def test_a_free_graph_passes() -> None:
    check(graph(shape=np.array([0, -1, 2**63 - 1]), table=np.arange(240), weights=np.full((64, 3), 29.0, np.float32)))


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"shape": np.array([29, 8])}, "the batch of the example it was traced with .29 in the constant shape"),
        ({"shape": np.array([-1, 62])}, "the labels of the example it was traced with .62 in the constant shape"),
        ({"scale": np.float32(1 / 4 * 4 * 29)}, "the batch of the example"),
        ({"zeros": np.zeros((31, 240), np.float32)}, "the labels of the example it was traced with .31 in"),
    ],
)
def test_what_is_left_of_the_example_is_found(constants: dict[str, Any], message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        check(graph(**constants))


@pytest.mark.parametrize(
    "attributes", [{"value_ints": [1, 29]}, {"value_int": 58}, {"value": numpy_helper.from_array(np.array([29]), "v")}]
)
def test_attributes_are_looked_at(attributes: dict[str, Any]) -> None:
    node = helper.make_node("Constant", [], ["c"], "here", **attributes)
    with pytest.raises(VerificationError, match="in Constant here, value"):
        check(graph(node))


@pytest.mark.parametrize(
    ("output", "found"), [((2, 8), r"\[2, 8\]"), (("n", "m"), r"\['n', 'm'\]"), (("n",), r"\['n'\]")]
)
def test_axes_are_free_exactly_where_wanted(output: Dims, found: str) -> None:
    with pytest.raises(VerificationError, match=rf"y of the exported graph has the shape {found}; it must have"):
        check(graph(output=output))


def test_primes_divide_no_width() -> None:
    assert free_primes(3, [64, 58, 370]) == [31, 41, 43]
    with pytest.raises(VerificationError, match="leave no primes"):
        free_primes(3, [29 * 31 * 37 * 41 * 43 * 47 * 53 * 59 * 61 * 67 * 71 * 79 * 83 * 89])
