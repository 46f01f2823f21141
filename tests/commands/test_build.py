"""`lseg build`, `lseg export --rtx` and what other commands make of engines, from the command line."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from lseg_cli.config import ModelConfig
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import build
from lseg_engines.doctor.nvidia_driver import find_gpus
from lseg_export.options import GraphOptions
from tests.command_line import lseg
from tests.engines.fake_tensorrt import World

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
FIXED = GraphOptions(size=(64, 96))
needs_no_gpu = pytest.mark.skipif(bool(find_gpus()), reason="here is a GPU")


@pytest.fixture
def onnx_path(pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the folder that is worked in."""
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has no package for this platform")
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(exported(pyramid_config, FIXED)[1], tmp_path / "model.onnx"))


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@needs_no_gpu
def test_an_engine_is_built_and_told(onnx_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        lseg("build", "model.onnx", "--rtx", "-o", "out/x.engine", "--max-labels", 300, "--sm", "8.6,89", "--json") == 0
    )
    said = capsys.readouterr()
    event = json.loads(said.out.splitlines()[-1])
    assert (event["event"], event["file"]) == ("built", "out/x.engine")
    assert event["build"]["onnx"] == "../model.onnx"
    assert "for SM86, SM89; 1 to 4 pictures of 64x96 pixels, 1 to 300 labels; fp32" in said.err
    assert "The engine was not run: no NVIDIA GPU was found." in said.err
    assert names(tmp_path / "out") == ["x.engine", "x.engine.json"]
    assert lseg("info", "out/x.engine", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["model"], facts["precision"]) == ("engine", "tiny-pyramid", "fp32")
    assert facts["most"] == {"image": [4, 64, 96, 3], "text": [300, 16]}
    assert facts["runs_on"] == ["SM86", "SM89"]


@needs_no_gpu
def test_an_engine_is_exported_from_a_model(
    pyramid_config: ModelConfig, onnx_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    save_model(build(pyramid_config), tmp_path / "model.safetensors")
    arguments = ("export", "model.safetensors", "--rtx", "--imgsz", "64x96", "--keep-onnx", "--max-batch", 2)
    assert lseg(*arguments, "-o", "out/x.engine") == 0
    said = capsys.readouterr().err
    assert "The ONNX file was checked against PyTorch at 10 corners: logits within" in said
    assert names(tmp_path / "out") == ["x.engine", "x.engine.json", "x.onnx"]
    sidecar = json.loads((tmp_path / "out" / "x.engine.json").read_text())
    assert sidecar["build"]["onnx"] == "x.onnx"
    assert sidecar["build"]["onnx_check"]["corners"] == 10
    assert lseg("build", "out/x.onnx", "--rtx", "-q", "-o", "out/x.engine") == 0
    assert names(tmp_path / "out") == ["x.engine", "x.engine.json", "x.onnx"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("model.onnx",), 2, "Give --rtx"),
        (("model.onnx", "--rtx", "--trt"), 2, "--trt and --rtx cannot be combined"),
        (("model.onnx", "--rtx", "-o", "x.onnx"), 2, "its name must end with .engine"),
        (("nowhere.onnx", "--rtx"), 2, "There is no file nowhere.onnx"),
        (("model.onnx", "--rtx", "--sm", "turing"), 2, "--sm 'turing' is not a list of compute capabilities"),
        (("model.onnx", "--rtx", "--sm", "75"), 5, "FP32 GEMM is not supported"),
        (("model.onnx", "--rtx", "--opt-labels", "300"), 2, "does not lie between 1 and --max-labels 256"),
        (("text.onnx", "--rtx"), 5, "is not a model of this tool"),
        (("model.onnx", "--rtx", "-o", "model.onnx/x.engine"), 2, "cannot be written"),
    ],
)
def test_what_cannot_be_built_is_told_and_leaves_nothing(
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
    onnx_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "text.onnx").write_text("some text that is no graph")
    assert lseg("build", *arguments) == code
    assert sentence in capsys.readouterr().err
    assert names(tmp_path) == ["model.onnx", "text.onnx"]


@needs_no_gpu
@pytest.mark.parametrize("command", [("build", "model.onnx"), ("export", "lseg-tiny")])
def test_trt_without_a_gpu_says_what_to_do(
    command: tuple[str, str], onnx_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lseg(*command, "--trt") == 6
    said = capsys.readouterr().err
    assert (
        "TensorRT builds an engine on the GPU that is to run it, and none was found; use --rtx to build here." in said
    )
    assert said.count("\n") == 1
    assert names(tmp_path) == ["model.onnx"]


@needs_no_gpu
def test_an_engine_without_a_gpu_is_one_sentence(
    onnx_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (96, 64)).save(tmp_path / "photo.png")
    assert lseg("build", "model.onnx", "--rtx", "-q") == 0
    assert lseg("segment", "photo.png", "-l", "sky,road", "-m", "model.engine", "-q") == 6
    assert "A TensorRT engine runs on an NVIDIA GPU, and none was found" in capsys.readouterr().err
    assert lseg("segment", "photo.png", "-l", "sky", "-m", "model.engine", "--rebuild", "often") == 2
    assert "Invalid value for '--rebuild': 'often' is not one of 'never', 'auto'" in capsys.readouterr().err


def test_an_engine_with_anothers_sidecar_is_refused(
    onnx_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, labels in (("x", 8), ("y", 9)):
        assert lseg("build", "model.onnx", "--rtx", "-q", "-o", f"{name}.engine", "--max-labels", labels) == 0
    (tmp_path / "x.engine").replace(tmp_path / "moved.engine")
    assert lseg("info", "moved.engine") == 5
    assert "is a TensorRT engine without moved.engine.json" in capsys.readouterr().err
    (tmp_path / "y.engine.json").replace(tmp_path / "moved.engine.json")
    assert lseg("info", "moved.engine") == 5
    assert "moved.engine.json is not of this moved.engine" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_build_and_leaves_nothing(
    number: signal.Signals, code: int, vit_config: ModelConfig, exported: Exporter, onnx_path: Path, tmp_path: Path
) -> None:
    shutil.copy(exported(vit_config, FIXED)[1], onnx_path)
    command = [sys.executable, "-m", "lseg_cli", "build", "model.onnx", "--rtx", "-o", "x.engine"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(tmp_path.glob(".x.engine.*")):
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == code
    assert names(tmp_path) == ["model.onnx"]


class TestWithAGpu:
    """On a stand-in for a GPU and TensorRT: what is built is run as well."""

    def test_an_engine_is_compared_and_looked_at(
        self, make_machine: Callable[[str], World], onnx_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_machine("tensorrt 10.16.1.11")
        assert lseg("build", "model.onnx", "--trt", "-o", "x.engine", "--max-batch", 1, "--max-labels", 8) == 0
        assert "The engine was checked against ONNX Runtime at 3 corners: logits within" in capsys.readouterr().err
        sidecar = json.loads((tmp_path / "x.engine.json").read_text())
        assert sidecar["found_precisions"] == ["fp32"]
        assert sidecar["engine_check"]["equal"] > 0.9999
        assert sidecar["build"]["sm"] == [89]

    def test_another_precision_than_the_graphs_leaves_no_engine(
        self, make_machine: Callable[[str], World], onnx_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_machine("tensorrt 11.4.0.106").formats = "Half"
        assert lseg("build", "model.onnx", "--trt", "-o", "x.engine") == 7
        assert "the engine that TensorRT built computes in fp32 and fp16." in capsys.readouterr().err
        assert "x.engine" not in names(tmp_path)

    def test_an_engine_that_answers_otherwise_is_not_left(
        self, make_machine: Callable[[str], World], onnx_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_machine("tensorrt 11.4.0.106")
        monkeypatch.setattr("lseg_engines.tensorrt.engine.pad_labels", lambda text, _most: text[::-1].copy())
        assert lseg("build", "model.onnx", "--trt", "-o", "x.engine", "--max-batch", 1, "--max-labels", 8) == 7
        assert "x.engine" not in names(tmp_path)
