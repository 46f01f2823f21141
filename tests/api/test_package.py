"""`import lseg_cli`: light, complete, typed."""

import subprocess
import sys
from pathlib import Path

import pytest

import lseg_cli as lseg

HEAVY = ["torch", "timm", "open_clip", "onnx", "onnxruntime", "tensorrt", "cv2", "PIL", "numpy", "pydantic", "typer"]

SCRIPT = """
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import lseg_cli as lseg


def main(folder: Path) -> dict[str, float]:
    model: lseg.Model = lseg.load(device="cpu")
    result = model.segment(folder / "photo.jpg", {"sky": "sky", "road": ["road", "street"]}, min_confidence=0.2)
    mask: NDArray[np.uint8] | NDArray[np.uint16] = result.mask
    overlay: Image.Image = result.overlay()
    overlay.save(folder / "overlay.jpg")
    embedding: lseg.Embedding = model.embed(Image.open(folder / "photo.jpg"))
    heat: NDArray[np.float32] = embedding.similarity("bench")
    print(mask.shape, heat.max(), result.cutout("road").size, lseg.__version__)
    try:
        model.segment(np.zeros((8, 8, 3), np.uint8), ["sky", "road"])
    except lseg.LsegError as error:
        print(error.exit_code)
    return result.shares
"""


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert python(f"import sys, lseg_cli; print([name for name in {HEAVY} if name in sys.modules])") == "[]\n"


def test_every_promised_name_is_there_and_documented() -> None:
    assert dir(lseg) == sorted(lseg.__all__)
    for name in lseg.__all__:
        value = getattr(lseg, name)
        assert name == "__version__" or not callable(value) or value.__doc__, name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'lseg_cli' has no attribute 'nothing'"):
        _ = lseg.nothing  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_users_script_is_typed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import lseg_cli as lseg\nlseg.load(devise='cpu')\nmask: str = lseg.load().segment('a', 'b').mask\n"
    )
    cache = request.config.cache.mkdir("mypy-of-a-user") if request.config.cache else tmp_path / "cache"
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(cache)]
    run = subprocess.run([*command, script.name, wrong.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    said = [line for line in run.stdout.splitlines() if ": error: " in line]
    assert len(said) == 2, run.stdout
    assert all(line.startswith("wrong.py:") for line in said)
    assert "devise" in run.stdout
    assert "Incompatible types in assignment" in run.stdout
