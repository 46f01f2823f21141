"""The exported file in other runtimes: each answers as ONNX Runtime, or is not here and skipped with its reason.

Tried with one label, three and 150, for exporters and runtimes go wrong at the first and at large numbers.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from lseg_cli.bench.made_input import make_pictures, make_text
from lseg_cli.config import ModelConfig
from lseg_cli.contract import OUTPUTS
from lseg_engines.ort.engine import OnnxEngine
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
Answer = Mapping[str, NDArray[Any]]
Feeds = dict[str, NDArray[Any]]

FIXED = GraphOptions(size=(64, 96))
NOT_EVERYWHERE = {
    "GatherElements",
    "ReduceL2",
    "Expand",
}  # see docs/onnx-without-lseg.md


def run_reference(path: Path, feeds: Feeds) -> Answer:
    """ONNX's own evaluator, in numpy."""
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    return dict(zip(OUTPUTS, ReferenceEvaluator(str(path)).run(list(OUTPUTS), feeds), strict=True))


def run_opencv(path: Path, feeds: Feeds) -> Answer:
    """OpenCV's DNN module: all outputs are to be asked for."""
    cv2 = pytest.importorskip("cv2")
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV 4 has no dynamic number of labels")
    net = cv2.dnn.readNetFromONNX(str(path))
    for name, array in feeds.items():
        net.setInput(array, name)
    names = list(net.getUnconnectedOutLayersNames())
    return dict(zip(names, net.forward(names), strict=True))


def run_openvino(path: Path, feeds: Feeds) -> Answer:
    """OpenVINO, told to compute in float32."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answer = model(feeds)
    return {name: answer[name] for name in OUTPUTS}


@pytest.mark.parametrize("count", [1, 3, 150])
@pytest.mark.parametrize("run", [run_reference, run_opencv, run_openvino], ids=lambda run: run.__name__[4:])
def test_it_answers_as_onnx_runtime(
    run: Callable[[Path, Feeds], Answer], count: int, pyramid_config: ModelConfig, exported: Exporter
) -> None:
    path = exported(pyramid_config, FIXED)[1]
    feeds: Feeds = {"image": make_pictures(1, 64, 96), "text": make_text(count, 16)}
    expected = OnnxEngine.open(path, "cpu", threads=1).run(feeds["image"], feeds["text"], OUTPUTS)
    found = run(path, feeds)
    assert (found["mask"].reshape(64, 96) == expected["mask"][0]).mean() >= 0.999
    for name in ("logits", "confidence", "scores"):
        assert np.abs(np.subtract(found[name].reshape(expected[name].shape), expected[name])).max() < 1e-3, name


@pytest.mark.parametrize("options", [FIXED, GraphOptions()])
def test_the_graph_has_no_operator_that_others_get_wrong(
    options: GraphOptions, pyramid_config: ModelConfig, exported: Exporter
) -> None:
    graph = onnx.load(exported(pyramid_config, options)[1]).graph
    assert not NOT_EVERYWHERE & {node.op_type for node in graph.node}
    assert not graph.value_info
