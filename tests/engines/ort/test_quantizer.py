"""Which parts of a graph become int8."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from lseg_cli.config import ModelConfig
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.ort.quantizer import find_nodes, quantize
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
FIXED = GraphOptions(size=(64, 96))


@pytest.mark.parametrize("kind", ["pyramid", "vit"])
def test_what_meets_the_words_stays_float(
    kind: str, pyramid_config: ModelConfig, vit_config: ModelConfig, exported: Exporter
) -> None:
    config = pyramid_config if kind == "pyramid" else vit_config
    graph = onnx.load(exported(config, FIXED)[1]).graph
    chosen = [node for node in graph.node if node.name in find_nodes(graph)]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    weights = [next(shapes[name] for name in node.input if name in shapes) for node in chosen]
    assert len(weights) > 20
    assert (16, 8, 1, 1) not in weights  # the head: decoder's width to that of the embeddings
    assert (1, 1, 3, 3) not in weights  # the regulariser
    assert {node.op_type for node in chosen} == ({"Conv"} if kind == "pyramid" else {"Conv", "MatMul"})


def test_a_quantized_file_says_so_and_runs(pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path) -> None:
    path, target = exported(pyramid_config, FIXED)[1], tmp_path / "model.onnx"
    pictures = list(np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), np.uint8))
    quantize(path, target, pictures, 16)
    before, after = OnnxEngine.open(path, "cpu"), OnnxEngine.open(target, "cpu")
    assert (after.precision, after.spec) == ("int8", before.spec)
    text = np.eye(7, 16, dtype=np.float32)
    logits = [engine.run(np.stack(pictures), text, {"logits"})["logits"] for engine in (before, after)]
    assert 0 < np.abs(np.subtract(*logits)).mean() < 2
