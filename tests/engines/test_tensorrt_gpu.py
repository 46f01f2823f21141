"""All of TensorRT on a real GPU, in either flavour: what the other tests ask of a stand-in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lseg_cli.config import ModelConfig
from lseg_cli.contract import Output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.exporting.parity import Limits, compare, share_equal
from lseg_engines.doctor.nvidia_driver import find_gpus
from lseg_engines.opener import open_engine
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.tensorrt.builder import build_engine
from lseg_engines.tensorrt.engine import TensorrtEngine
from lseg_engines.tensorrt.flavour import FLAVOURS, FlavourKey, find_flavours
from lseg_engines.tensorrt.options import BuildOptions
from lseg_engines.tensorrt.precision import check_precisions
from lseg_engines.tensorrt.sidecar import Sidecar
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
FIXED, ANY_SIZE = GraphOptions(size=(64, 96)), GraphOptions()
HALF = GraphOptions(size=(64, 96), precision="fp16")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.tensorrt,
    pytest.mark.skipif(not find_gpus(), reason="no NVIDIA GPU: nothing here runs without one"),
]


@pytest.fixture(params=["trt", "rtx"])
def flavour(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FlavourKey:
    key: FlavourKey = "rtx" if request.param == "rtx" else "trt"
    found = {each.title: each for each in find_flavours()}[FLAVOURS[key].title]
    if not found.runs:
        pytest.skip(found.reason)
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    return key


def built(onnx_path: Path, tmp_path: Path, options: BuildOptions) -> tuple[Path, Sidecar]:
    path = tmp_path / "x.engine"
    return path, build_engine(onnx_path, path, options, lambda _phase, _share: True, str(onnx_path))


@pytest.mark.parametrize("shape", ["pyramid", "vit"])
@pytest.mark.parametrize(
    ("options", "limits"),
    [(FIXED, Limits(1e-3, 0.999)), (ANY_SIZE, Limits(1e-3, 0.999)), (HALF, Limits(0.5, 0.99))],
)
def test_it_answers_as_its_graph_at_every_corner(
    options: GraphOptions,
    limits: Limits,
    shape: str,
    flavour: FlavourKey,
    exported: Exporter,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    onnx_path = exported(request.getfixturevalue(f"{shape}_config"), options)[1]
    path, sidecar = built(onnx_path, tmp_path, BuildOptions(flavour, max_labels=300, max_side_px=224))
    engine = TensorrtEngine.open(path)
    check_precisions(engine.find_precisions(), sidecar.build.precision)
    corners = list(compare(OnnxEngine.open(onnx_path, "cpu"), engine))
    worst = max(corner.difference for corner in corners)
    assert worst < limits.difference, f"The greatest difference is {worst}."
    assert share_equal(corners) > limits.equal


def test_graphs_buckets_and_shapes_change_no_answer(
    flavour: FlavourKey, pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path
) -> None:
    path, _ = built(exported(pyramid_config, ANY_SIZE)[1], tmp_path, BuildOptions(flavour, max_side_px=160))
    engine = open_engine(EngineChoice(str(path), device="cuda"))
    random = np.random.default_rng(0)
    text = random.standard_normal((40, 16)).astype(np.float32)
    names: tuple[Output, ...] = ("logits", "mask", "confidence")
    for height, width, count in ((64, 96, 3), (64, 96, 3), (64, 96, 3), (160, 32, 40), (64, 96, 3), (64, 96, 8)):
        image = random.integers(0, 256, (1, height, width, 3), np.uint8)
        tensors = engine.run(image, text[:count], names)
        logits = tensors["logits"].astype(np.float64)
        softmax = np.exp(logits - logits.max(1, keepdims=True))
        softmax /= softmax.sum(1, keepdims=True)
        winner = np.take_along_axis(logits, tensors["mask"][:, None].astype(np.int64), 1)
        assert np.array_equal(winner[:, 0], logits.max(1))
        assert np.abs(tensors["confidence"] - softmax.max(1)).max() < 1e-3
        again = engine.run(image, text[:count], names)
        assert all(np.array_equal(tensors[name], again[name]) for name in names)


def test_a_timing_cache_is_written_and_taken(
    pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path, flavour: FlavourKey
) -> None:
    if flavour == "rtx":
        pytest.skip("TensorRT-RTX has no timing cache")
    options = BuildOptions(flavour, timing_cache=str(tmp_path / "t.cache"), is_version_compatible=False)
    for _ in range(2):
        built(exported(pyramid_config, FIXED)[1], tmp_path, options)
    assert len(list(tmp_path.glob("t.*.sm*.cache"))) == 1


def test_compiled_kernels_are_kept(
    pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path, flavour: FlavourKey
) -> None:
    if flavour == "trt":
        pytest.skip("TensorRT compiles when it builds")
    path, _ = built(exported(pyramid_config, FIXED)[1], tmp_path, BuildOptions(flavour))
    image, text = np.zeros((1, 64, 96, 3), np.uint8), np.ones((2, 16), np.float32)
    masks = [TensorrtEngine.open(path).run(image, text, {"mask"})["mask"] for _ in range(2)]
    assert np.array_equal(masks[0], masks[1])
    assert len(list((tmp_path / "cache" / "tensorrt-rtx").glob("*.kernels"))) == 1
