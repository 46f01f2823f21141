"""What is in an exported file, and when there is none."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest

from lseg_cli.config import ModelConfig
from lseg_cli.contract import GraphSpec
from lseg_cli.errors import DataError, LsegError, MissingError
from lseg_cli.files import staged
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.torch_engine import TorchEngine
from lseg_export import onnx_file
from lseg_export.onnx_file import export_onnx
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
ANY_SIZE = GraphOptions()
FIXED = GraphOptions(size=(64, 96))
HALF = GraphOptions(precision="fp16")


def shapes(path: Path) -> dict[str, tuple[int, list[int | str]]]:
    """Type and dimensions of every input and output."""
    graph = onnx.load(path).graph
    types = {value.name: value.type.tensor_type for value in (*graph.input, *graph.output)}
    return {
        name: (each.elem_type, [dim.dim_param or dim.dim_value for dim in each.shape.dim])
        for name, each in types.items()
    }


@pytest.mark.parametrize(
    ("options", "height", "width"), [(ANY_SIZE, "height", "width"), (FIXED, 64, 96), (HALF, "height", "width")]
)
def test_tensors_are_those_of_the_contract(
    options: GraphOptions, height: int | str, width: int | str, pyramid_config: ModelConfig, exported: Exporter
) -> None:
    half = [side // 2 if isinstance(side, int) else f"{side}/2" for side in (height, width)]
    quarter = [side // 4 if isinstance(side, int) else f"{side}/4" for side in (height, width)]
    byte, number, real = onnx.TensorProto.UINT8, onnx.TensorProto.INT32, onnx.TensorProto.FLOAT
    assert shapes(exported(pyramid_config, options)[1]) == {
        "image": (byte, ["batch", height, width, 3]),
        "text": (real, ["labels", 16]),
        "logits": (real, ["batch", "labels", height, width]),
        "mask": (number, ["batch", height, width]),
        "confidence": (real, ["batch", height, width]),
        "scores": (real, ["batch", "labels", *half]),
        "features": (onnx.TensorProto.FLOAT16, ["batch", 16, *quarter]),
    }


@pytest.mark.parametrize("options", [ANY_SIZE, FIXED, HALF])
def test_the_file_says_what_it_is(options: GraphOptions, pyramid_config: ModelConfig, exported: Exporter) -> None:
    source, path = exported(pyramid_config, options)
    metadata = {each.key: each.value for each in onnx.load(path).metadata_props}
    assert set(metadata) == {"lseg.spec", "lseg.precision", "lseg.version"}
    assert metadata["lseg.precision"] == options.precision
    spec = GraphSpec.from_metadata(metadata, "")
    assert spec.model == pyramid_config
    assert (spec.height_px, spec.width_px) == (options.size or (None, None))
    assert spec.model_sha256 == TorchEngine.open(source, "cpu").spec.model_sha256


def test_no_path_of_this_machine_is_in_it(pyramid_config: ModelConfig, exported: Exporter) -> None:
    content = exported(pyramid_config, ANY_SIZE)[1].read_bytes()
    for trace in (b"site-packages", b"lseg_cli", b".py", str(Path.home()).encode() + b"/", b"stack_trace"):
        assert trace not in content, trace


def test_half_precision_weighs_half(vit_config: ModelConfig, exported: Exporter) -> None:
    graph = onnx.load(exported(vit_config, HALF)[1]).graph
    numbers: dict[int, int] = {}
    for tensor in graph.initializer:
        numbers[tensor.data_type] = numbers.get(tensor.data_type, 0) + int(np.prod(tensor.dims))
    assert numbers[onnx.TensorProto.FLOAT16] > 50 * numbers[onnx.TensorProto.FLOAT]


def test_weights_beyond_the_limit_lie_beside(
    pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST_FILE", 1000)
    with staged(tmp_path / "big.onnx") as draft:
        onnx_file.save_graph(onnx.load(exported(pyramid_config, FIXED)[1]), draft)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["big.onnx", "big.onnx.data"]
    assert (tmp_path / "big.onnx").stat().st_size < (tmp_path / "big.onnx.data").stat().st_size
    image, text = np.zeros((1, 64, 96, 3), np.uint8), np.ones((2, 16), np.float32)
    logits = OnnxEngine.open(tmp_path / "big.onnx", "cpu").run(image, text, {"logits"})["logits"]
    alone = OnnxEngine.open(exported(pyramid_config, FIXED)[1], "cpu").run(image, text, {"logits"})["logits"]
    assert np.array_equal(logits, alone)


def test_a_slim_graph_is_checked_and_answers_alike(pyramid_config: ModelConfig, exported: Exporter) -> None:
    pytest.importorskip("onnxslim", reason="onnxslim is optional: pip install onnxslim")
    slim = exported(pyramid_config, GraphOptions(is_slim=True))[1]
    plain = exported(pyramid_config, ANY_SIZE)[1]
    assert len(onnx.load(slim).graph.node) <= len(onnx.load(plain).graph.node)
    assert shapes(slim) == shapes(plain)
    image, text = np.full((3, 32, 96, 3), 90, np.uint8), np.eye(5, 16, dtype=np.float32)
    ours, theirs = (OnnxEngine.open(path, "cpu").run(image, text, {"logits"})["logits"] for path in (slim, plain))
    assert np.abs(np.subtract(ours, theirs)).max() < 1e-4


def test_without_onnxslim_the_way_is_told(
    pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = exported(pyramid_config, ANY_SIZE)[0]
    monkeypatch.setitem(sys.modules, "onnxslim", None)
    with pytest.raises(MissingError, match=r"--slim needs the package onnxslim.*\[slim\]"):
        export_onnx(source, tmp_path / "model.onnx", GraphOptions(is_slim=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (GraphOptions(size=(64, 100)), "64 x 100; both sides must be multiples of 32"),
        (GraphOptions(opset=23), "Opset 23 cannot be exported; choose one of 18 to 22"),
        (GraphOptions(precision=cast(Any, "int4")), "'int4' cannot be exported; choose one of fp32, fp16"),
    ],
)
def test_what_cannot_be_is_told_at_once(options: GraphOptions, message: str, tmp_path: Path) -> None:
    with pytest.raises(LsegError, match=message):
        export_onnx(tmp_path / "missing.safetensors", tmp_path / "model.onnx", options)


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        export_onnx(tmp_path / "missing.safetensors", tmp_path / "model.onnx", ANY_SIZE)


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("old")
    with pytest.raises(DataError), staged(path) as draft:
        export_onnx(tmp_path / "missing.safetensors", draft, ANY_SIZE)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LsegError, match=r"model\.onnx cannot be written"), staged(tmp_path / "file" / "model.onnx"):
        pass
