"""`lseg export` and `lseg info` from the command line, and `lseg segment` on what was exported."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from lseg_cli.config import ModelConfig
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import build
from lseg_engines.torch_engine import TorchEngine
from lseg_export.options import GraphOptions
from tests.command_line import lseg

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
ANY_SIZE = GraphOptions()
HEAVY = ("torch", "timm", "open_clip", "torchvision")


@pytest.fixture
def config(pyramid_config: ModelConfig) -> ModelConfig:
    """With embeddings as wide as the bundled word table's."""
    return pyramid_config.model_copy(update={"text": pyramid_config.text.model_copy(update={"width": 192})})


def test_an_export_is_checked_and_told(config: ModelConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, path = tmp_path / "model.safetensors", tmp_path / "out" / "model.onnx"
    torch.manual_seed(0)
    save_model(build(config), source)
    assert lseg("export", source, "-o", path, "--imgsz", "64x96", "--json") == 0
    said = capsys.readouterr()
    event = json.loads(said.out.splitlines()[-1])
    assert event["event"] == "exported"
    assert event["check"]["corners"] == 10
    assert event["check"]["difference"] <= 1e-4
    assert "any number of labels, and of pictures of 64x96 pixels; fp32" in said.err
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]


def test_an_export_that_answers_otherwise_leaves_no_file(
    config: ModelConfig, exported: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = exported(config, ANY_SIZE)
    scores = TorchEngine._scores
    monkeypatch.setattr(TorchEngine, "_scores", lambda *arguments: scores(*arguments) + 0.01)
    monkeypatch.setattr("lseg_cli.exporting.export.export_onnx", lambda _source, draft, _job: shutil.copy(path, draft))
    monkeypatch.setattr("lseg_cli.exporting.parity.SIZES", ((64, 96),))
    assert lseg("export", source, "-o", tmp_path / "model.onnx", "--dynamic-size", "-q") == 7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-o", "model.safetensors"), "its name must end with .onnx"),
        (("--imgsz", "100"), "multiples of 32"),
        (("--precision", "int4"), "is not one of 'fp32', 'fp16', 'bf16', 'int8'"),
        (("--precision", "int8"), "belong together"),
        (("--calibrate", "."), "belong together"),
        (("--imgsz", "64", "--dynamic-size"), "give --imgsz or --dynamic-size"),
        (("--keep-onnx",), "--keep-onnx is for TensorRT engines; give --trt or --rtx with it"),
        (("--rtx", "--triton", "models"), "--triton is for .onnx files; omit it here"),
        (("--dynamic-size", "--with-text-encoder", "--no-verify"), "a table of words, not a network"),
        (("--imgsz", "64", "--verify-images", "nowhere"), "no file or folder 'nowhere'"),
    ],
)
def test_what_cannot_be_exported_is_told(
    arguments: tuple[str, ...],
    sentence: str,
    config: ModelConfig,
    exported: Exporter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lseg("export", exported(config, ANY_SIZE)[0], *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    (tmp_path / "photographs").mkdir()
    for index, photograph in enumerate(load_sample_images().images):
        Image.fromarray(cv2.resize(photograph, (160, 107))).save(tmp_path / "photographs" / f"{index}.png")
    return tmp_path / "photographs"


def test_int8_is_made_from_pictures_and_compared_on_them(
    config: ModelConfig, exported: Exporter, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, path = exported(config, ANY_SIZE)[0], tmp_path / "out" / "model.onnx"
    options = ("--imgsz", "64x96", "--precision", "int8", "--calibrate", photographs, "--triton", tmp_path / "models")
    assert lseg("export", source, "-o", path, *options, "--json") == 0
    check = json.loads(capsys.readouterr().out.splitlines()[-1])["check"]
    assert check["corners"] == 10
    assert 0.5 < check["equal"] < 1
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    assert (tmp_path / "models" / "model" / "1" / "model.onnx").read_bytes() == path.read_bytes()
    assert lseg("info", path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["precision"] == "int8"


def test_bf16_is_compared_in_two_ways(
    config: ModelConfig, exported: Exporter, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, path = exported(config, ANY_SIZE)[0], tmp_path / "out" / "model.onnx"
    options = ("--imgsz", "64x96", "--precision", "bf16", "--verify-images", photographs)
    assert lseg("export", source, "-o", path, *options, "--json") == 0
    said = capsys.readouterr()
    check = json.loads(said.out.splitlines()[-1])["check"]
    assert check["corners"] == 20
    assert 0 < check["difference"] < 1
    assert "its numbers widened to float32" in said.err


def test_masks_are_pytorchs_and_nothing_heavy_is_imported(
    config: ModelConfig, exported: Exporter, tmp_path: Path
) -> None:
    """On photographs; the exported file runs in a process of its own, which says what it imported."""
    (tmp_path / "in").mkdir()
    for index, photograph in enumerate(load_sample_images().images):
        Image.fromarray(cv2.resize(photograph, (320, 213 + index))).save(tmp_path / "in" / f"{index}.png")
    models = dict(zip(("torch", "onnx"), exported(config, ANY_SIZE), strict=True))
    for name, model in models.items():
        arguments = ["segment", str(tmp_path / "in"), "-l", "sky,roof,flower,other", "-m", str(model), "-d", "cpu"]
        script = (
            "import sys\nfrom lseg_cli.main import run\ntry:\n    run(sys.argv[1:])\nfinally:\n"
            f"    print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
        )
        command = [sys.executable, "-c", script, *arguments, "-o", str(tmp_path / name), "-q", "--threads", "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.strip() == ("" if name == "onnx" else "torch timm torchvision"), done.stderr
    for index in range(2):
        ours, theirs = (np.asarray(Image.open(tmp_path / name / "masks" / f"{index}.png")) for name in models)
        assert len(np.unique(ours)) > 1
        assert (ours == theirs).mean() >= 0.9999


def test_info_tells_both_kinds(config: ModelConfig, exported: Exporter, capsys: pytest.CaptureFixture[str]) -> None:
    facts = []
    for path in exported(config, ANY_SIZE):
        assert lseg("info", path, "--json") == 0
        facts.append(json.loads(capsys.readouterr().out))
    weights, graph = facts
    assert (weights["kind"], graph["kind"]) == ("safetensors", "onnx")
    assert all(each["model"] == "tiny-pyramid" and each["embedding_width"] == 192 for each in facts)
    assert weights["types"] == ["F32"]
    assert graph["precision"] == "fp32"
    assert graph["opset"] == 20
    assert graph["shapes"]["logits"] == ["batch", "labels", "height", "width"]
    assert lseg("info", exported(config, ANY_SIZE)[1]) == 0
    assert "input_px         any multiple of 32\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x08" + b"\xff" * 30, "not a complete ONNX graph"),
        (b"\x10" + b"\0" * 7 + b'{"a": 1}' + b" " * 20, "its header cannot be read"),
        (b"\x18" + b"\0" * 7 + b"{}" + b" " * 22, "no LSeg configuration"),
        (b"text of some other kind", "neither a safetensors nor an ONNX file"),
    ],
)
def test_info_refuses_what_is_no_model(
    content: bytes, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert lseg("info", tmp_path / "file") == 5
    assert sentence in capsys.readouterr().err
