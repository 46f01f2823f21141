"""A graph without what nobody asks for, and with kernels that ONNX Runtime does not blow up."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from lseg_cli.config import ModelConfig, RegularizerConfig
from lseg_cli.contract import SCORES, Output
from lseg_cli.errors import MismatchError
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.ort.part import part_of
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]

IMAGE = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
TEXT = np.random.default_rng(1).standard_normal((5, 16)).astype(np.float32)


@pytest.fixture
def path(pyramid_config: ModelConfig, exported: Exporter) -> Path:
    regularizer = RegularizerConfig(kind="bottleneck", depth=2)
    config = pyramid_config.model_copy(update={"regularizer": regularizer})
    return exported(config, GraphOptions())[1]


def test_only_what_makes_the_outputs_is_left(path: Path) -> None:
    whole, part = onnx.load(path), onnx.load_from_string(part_of(path, SCORES))
    assert [output.name for output in part.graph.output] == ["scores"]
    operations = {node.op_type for node in part.graph.node}
    assert "ArgMax" in {node.op_type for node in whole.graph.node}
    assert not operations & {"ArgMax", "Exp"}
    assert {each.key: each.value for each in part.metadata_props} == {
        each.key: each.value for each in whole.metadata_props
    }
    onnx.checker.check_model(part, full_check=True)


@pytest.mark.parametrize("outputs", [SCORES, ("mask", "confidence"), ("logits",)])
def test_the_answers_are_those_of_the_whole(path: Path, outputs: tuple[Output, ...]) -> None:
    answers = []
    for graph in (str(path), part_of(path, outputs)):
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        answers.append(session.run(list(outputs), {"image": IMAGE, "text": TEXT}))
    for ours, theirs in zip(*answers, strict=True):
        assert np.abs(ours.astype(np.float64) - theirs).max() < 1e-5


def test_no_kernel_of_one_channel_is_a_constant(path: Path, tmp_path: Path) -> None:
    """Else the runtime lays each label's map out as 16 channels."""
    session_options = onnxruntime.SessionOptions()
    optimized = tmp_path / "optimized.onnx"
    session_options.optimized_model_filepath = str(optimized)
    session_options.log_severity_level = 4
    onnxruntime.InferenceSession(part_of(path, SCORES), session_options, providers=["CPUExecutionProvider"])
    graph = onnx.load(optimized).graph
    constants = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    convolutions = [node for node in graph.node if "Conv" in node.op_type]
    assert len([node for node in convolutions if node.input[1] not in constants]) == 2
    assert not [node for node in convolutions if constants.get(node.input[1], [])[:2] == [1, 1]]


def test_weights_beside_the_file_are_found(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    beside = tmp_path / "elsewhere" / "model.onnx"
    onnx.save_model(onnx.load(path), beside, save_as_external_data=True, location="model.onnx.data", size_threshold=100)
    ours, theirs = (
        OnnxEngine.open(each, "cpu", outputs=SCORES).run(IMAGE, TEXT, SCORES)["scores"] for each in (path, beside)
    )
    assert np.array_equal(ours, theirs)


def test_an_output_of_a_later_version_is_told(path: Path, tmp_path: Path) -> None:
    graph = onnx.load(path)
    del graph.graph.output[3]
    onnx.save(graph, tmp_path / "old.onnx")
    with pytest.raises(MismatchError, match="has no output 'scores': an earlier version wrote it; export it again"):
        part_of(tmp_path / "old.onnx", SCORES)


def test_what_is_no_graph_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"\x08\x0a" + b"nonsense" * 4)
    with pytest.raises(MismatchError, match="is damaged: it is not a complete ONNX graph"):
        part_of(path, SCORES)
