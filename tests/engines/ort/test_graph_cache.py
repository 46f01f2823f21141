"""Optimised graphs on disk: the same answers, and whatever is wrong with the folder costs time alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.bench.made_input import make_pictures, make_text
from lseg_cli.config import ModelConfig
from lseg_cli.contract import SCORES
from lseg_engines.ort import engine, graph_cache
from lseg_engines.ort.engine import OnnxEngine
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]

IMAGE, TEXT = make_pictures(1, 64, 96), make_text(3, 16)


@pytest.fixture
def model(pyramid_config: ModelConfig, exported: Exporter) -> Path:
    return exported(pyramid_config, GraphOptions())[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path))
    return tmp_path / "graphs"


def scores(model: Path, threads: int = 1) -> NDArray[np.generic]:
    return OnnxEngine.open(model, "cpu", threads, SCORES).run(IMAGE, TEXT, SCORES)["scores"]


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.onnx"))


def test_it_is_kept_the_second_time_and_used_the_third(
    model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scores(model)
    assert not kept(folder)
    second = scores(model)
    assert len(kept(folder)) == 1
    monkeypatch.setattr(engine, "part_of", None)  # neither checked nor cut again
    third = scores(model)
    assert first.tobytes() == second.tobytes() == third.tobytes()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_damaged_one_is_made_again(model: Path, folder: Path) -> None:
    first = scores(model)
    scores(model)
    (graph,) = kept(folder)
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    assert scores(model).tobytes() == first.tobytes()
    assert not kept(folder)
    scores(model)
    assert len(kept(folder)) == 1


@pytest.mark.parametrize("change", ["runtime", "processor", "threads", "model"])
def test_another_runtime_processor_or_model_is_another_graph(
    change: str, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = graph_cache.key_of(model, SCORES, 1)
    if change == "runtime":
        monkeypatch.setattr("onnxruntime.__version__", "0")
    if change == "processor":
        monkeypatch.setattr(graph_cache, "_processor", lambda: "another")
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes() + (b"\0" if change == "model" else b""))
    found = graph_cache.key_of(other, SCORES, 2 if change == "threads" else 1)
    assert found
    assert found != key
    assert graph_cache.key_of(model, (*SCORES, "features"), 1) != found


def test_a_graph_with_weights_beside_it_is_not_kept(tmp_path: Path) -> None:
    """The key would not change with them."""
    path = tmp_path / "large.onnx"
    path.write_bytes(b"\x0a\x08location\x12\x0alarge.data")
    assert not graph_cache.key_of(path, SCORES, 1)


def test_a_folder_that_cannot_be_written_costs_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "file"))
    assert scores(model).tobytes() == scores(model).tobytes()


def test_those_used_last_are_kept(model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_cache, "_MOST", 2)
    for threads in (1, 2, 3):
        scores(model, threads)
        scores(model, threads)
    assert len(kept(folder)) == 2
    first = graph_cache.key_of(model, SCORES, 1)
    assert not [path for path in kept(folder) if path.name.startswith(first)]
