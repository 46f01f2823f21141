"""An installation without PyTorch: what runs models works, what trains or exports them says what to install."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lseg_cli.errors import MissingError
from lseg_cli.extras import EXTRAS, as_missing, has, require

WITHOUT = f"""
import sys
for name in {EXTRAS["torch"]}:
    sys.modules[name] = None  # as if it were not installed
from lseg_cli.main import run
for line in sys.argv[1:]:
    try:
        run(line.split(" "))
    except SystemExit as ended:
        print(ended.code, line.split(" ")[0])
"""


def run_without_torch(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Runs command lines one after the other in a process that has no PyTorch."""
    command = [sys.executable, "-c", WITHOUT, *lines]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_all_that_runs_models_works(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    size = "--imgsz 128"
    lines = (
        f"segment a.png -l sky,road -o masks -q --save overlay,conf,embeddings {size}",
        f"segment a.png -l sky,road -o tiled -q --tile 64 {size}",
        f"embed a.png -o feats -q {size}",
        "relabel feats -l tree,car -o again -q",
        "report masks -q",
        "labels check sky,road",
        "info lseg-tiny",
        "models",
        "bench lseg-tiny --imgsz 64 --runs 1 --no-memory -q -d cpu",
        "doctor",
    )
    ended = run_without_torch(tmp_path, *lines)
    codes = [
        line
        for line in ended.stdout.splitlines()
        if line in {f"{code} {each.split()[0]}" for code in range(9) for each in lines}
    ]
    assert codes == [f"0 {line.split(' ')[0]}" for line in lines], ended.stderr
    assert (tmp_path / "again" / "masks" / "a.png").is_file()


@pytest.mark.slow
def test_what_needs_pytorch_says_so_in_one_sentence(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "demo.ckpt").write_bytes(b"x")
    (tmp_path / "dataset.yaml").write_text("name: x")
    lines = (
        "train --data dataset.yaml",
        "export lseg-tiny -o tiny.onnx",
        "convert demo.ckpt -o demo.safetensors",
        "segment . -l sky -m lseg-tiny --engine torch",
    )
    ended = run_without_torch(tmp_path, *lines)
    assert ended.stdout.splitlines() == [f"6 {line.split(' ')[0]}" for line in lines], ended.stderr
    sentences = ended.stderr.splitlines()
    assert len(sentences) == len(lines)
    assert all("is not installed: pip install 'lseg-cli[torch]'" in sentence for sentence in sentences)


def test_a_package_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has("torch")
    monkeypatch.setitem(sys.modules, "timm", None)
    assert not has("torch")
    with pytest.raises(MissingError, match=r"Training needs the package timm.*pip install 'lseg-cli\[torch\]'"):
        require("torch", "Training")
    found = as_missing(ModuleNotFoundError("No module named 'onnx.helper'", name="onnx.helper"), "lseg export")
    assert str(found) == "lseg export needs the package onnx, which is not installed: pip install 'lseg-cli[torch]'."
    assert as_missing(ModuleNotFoundError("No module named 'nonsense'", name="nonsense"), "lseg x") is None
