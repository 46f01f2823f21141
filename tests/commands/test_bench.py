"""`lseg bench` from the command line: what is reported, never how fast it is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lseg_cli.bench import latency, matmul
from lseg_cli.config import ModelConfig
from lseg_export.options import GraphOptions
from tests.command_line import lseg

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]


@pytest.fixture
def models(pyramid_config: ModelConfig, exported: Exporter, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A model and its exported file; no pauses and small matrix products."""
    monkeypatch.setattr(latency, "_SETTLE_S", 0)
    monkeypatch.setattr(matmul, "_SIZES", {"cpu": (64,)})
    monkeypatch.setattr(matmul, "_LEAST_S", 0.001)
    return exported(pyramid_config, GraphOptions())


def test_a_sweep_as_json(models: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--sweep-labels", "150,3", "--imgsz", "64x96", "-b", "2", "--runs", "2", "--no-memory", "--json")
    assert lseg("bench", *models, *options, "-d", "cpu", "--threads", "1") == 0
    said = capsys.readouterr()
    assert said.err == ""
    report = json.loads(said.out)
    names = [f"{models[0]} (torch)", f"{models[1]} (onnx)"]
    assert list(report["engines"]) == names
    assert report["threads"] == 1
    assert report["matmul_peak_gflop_per_s"] > 0
    rows = report["results"]
    assert [(row["labels"], row["engine"]) for row in rows] == [(count, name) for count in (3, 150) for name in names]
    for row in rows:
        assert (row["batch"], row["height_px"], row["width_px"], row["outputs"]) == (2, 64, 96, ["mask"])
        assert row["runs"] == 2
        assert 0 < row["min_ms"] <= row["median_ms"] <= row["p95_ms"]
        assert row["pictures_per_s"] == pytest.approx(2000 / row["median_ms"], rel=1e-2)
        assert row["share_of_peak"] > 0
    assert rows[0]["to_first"] == rows[2]["to_first"] == rows[0]["to_fewest"] == rows[1]["to_fewest"] == 1
    assert rows[1]["to_first"] == pytest.approx(rows[1]["median_ms"] / rows[0]["median_ms"], abs=2e-3)
    assert rows[3]["to_fewest"] == pytest.approx(rows[3]["median_ms"] / rows[1]["median_ms"], abs=2e-3)
    assert rows[2]["plain_gflop"] > rows[0]["plain_gflop"]


@pytest.mark.slow
def test_a_table_with_memory_of_two_engines(models: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    options = (
        "--imgsz",
        "64",
        "--runs",
        "1",
        "--engine",
        "onnx,openvino",
        "--outputs",
        "confidence,mask",
        "-d",
        "cpu",
        "-q",
    )
    assert lseg("bench", models[1], *options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["engine", "labels", "median"]
    assert [line.split("(")[1].split(")")[0] for line in lines[1:3]] == ["onnx", "openvino"]
    assert all(int(line.split()[-1]) > 20 for line in lines[1:3])
    assert "1 x 64x64 pixels, mask, confidence, 1 runs" in lines[3]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--sweep-labels", "3,x"), 2, "--sweep-labels '3,x' is not a list of counts"),
        (("--sweep-labels", "0"), 2, "is not a list of counts"),
        (("--outputs", "masks"), 2, "--outputs masks is not known; choose from logits, mask, confidence"),
        (("--imgsz", "big"), 2, "--imgsz 'big' is not a valid size"),
        (("--imgsz", "100"), 5, "multiples of 32"),
        (("--engine", "openvino"), 5, "is a .safetensors file, and --engine openvino runs .onnx files"),
        (("--engine", "caffe"), 2, "--engine caffe is not known; choose from auto, torch, onnx, openvino, trt"),
        (("-d", "cuda:9"), 6, "The device 'cuda:9' was not found"),
    ],
)
def test_what_cannot_be_measured_is_told(
    models: tuple[Path, Path],
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert lseg("bench", models[0], "--no-memory", *arguments) == code
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
