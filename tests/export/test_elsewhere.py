"""The exported file in other runtimes: each answers as ONNX Runtime, or is not here and skipped with its reason.

Tried with one label, three and 150, for exporters and runtimes go wrong at the first and at large numbers.
ONNX Runtime for JavaScript is looked for in LSEG_NODE, a folder with `node_modules`: `npm install onnxruntime-web
onnxruntime-node`.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
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


def run_tract(path: Path, feeds: Feeds) -> Answer:
    """Sonos' tract: shapes of the inputs are to be said, those in the file of the outputs forgotten."""
    tract = pytest.importorskip("tract", reason="tract is not installed: pip install tract")
    model = tract.onnx().load(str(path))
    for number, array in enumerate(feeds.values()):
        kind = "u8" if array.dtype == np.uint8 else "f32"
        model.set_input_fact(number, ",".join([*map(str, array.shape), kind]))
    for number in range(model.output_count()):
        model.set_output_fact(number, None)
    answer = model.into_model().into_runnable().run(list(feeds.values()))
    return {name: tensor.to_numpy() for name, tensor in zip(OUTPUTS, answer, strict=True)}


def run_mnn(path: Path, feeds: Feeds) -> Answer:
    """Alibaba's MNN, of a file that its converter makes; without its front end, which reports to its makers."""
    mnn = pytest.importorskip("MNN", reason="MNN is not installed: pip install MNN")
    import _tools  # noqa: PLC0415  of MNN

    with tempfile.TemporaryDirectory() as folder:
        converted = f"{folder}/model.mnn"
        _tools.mnnconvert(
            ["mnnconvert", "-f", "ONNX", "--modelFile", str(path), "--MNNModel", converted, "--bizCode", "x"]
        )
        net = mnn.nn.load_module_from_file(converted, list(feeds), list(OUTPUTS))
        kinds = {"uint8": mnn.expr.uint8, "float32": mnn.expr.float}
        tensors = [mnn.expr.const(x, list(x.shape), mnn.expr.NCHW, kinds[x.dtype.name]) for x in feeds.values()]
        return {name: np.array(tensor.read()) for name, tensor in zip(OUTPUTS, net.forward(tensors), strict=True)}


def run_javascript(path: Path, feeds: Feeds, package: str) -> Answer:
    """ONNX Runtime in Node, native or as WebAssembly, which is what browsers run."""
    place, node = os.environ.get("LSEG_NODE", ""), shutil.which("node")
    if not node or not Path(place, "node_modules", package).is_dir():
        pytest.skip(f"LSEG_NODE names no folder with node_modules/{package}")
    with tempfile.TemporaryDirectory() as folder:
        for name, array in feeds.items():
            Path(folder, name).write_bytes(array.tobytes())
        facts = [{"name": name, "type": array.dtype.name, "dims": array.shape} for name, array in feeds.items()]
        script = Path(place, "lseg-test.mjs")  # packages are looked for beside it
        shutil.copyfile(Path(__file__).with_name("elsewhere.mjs"), script)
        subprocess.run([node, script, package, path, folder, json.dumps(facts)], check=True, capture_output=True)
        kinds = {"mask": np.int32, "features": np.float16}
        read = {name: Path(folder, f"{name}.out").read_bytes() for name in OUTPUTS}
        return {name: np.frombuffer(data, kinds.get(name, np.float32)) for name, data in read.items()}


RUNTIMES: dict[str, Callable[[Path, Feeds], Answer]] = {
    "reference": run_reference,
    "opencv": run_opencv,
    "openvino": run_openvino,
    "tract": run_tract,
    "mnn": run_mnn,
    "node": partial(run_javascript, package="onnxruntime-node"),
    "web": partial(run_javascript, package="onnxruntime-web"),
}


@pytest.mark.parametrize("count", [1, 3, 150])
@pytest.mark.parametrize("run", RUNTIMES.values(), ids=RUNTIMES)
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
