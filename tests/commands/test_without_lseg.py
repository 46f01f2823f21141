"""The Python block of docs/onnx-without-lseg.md: it imports nothing of ours, and its mask is that of `lseg segment`."""

import ast
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from lseg_engines.bundled import GRAPH
from tests.command_line import lseg

PAGE = Path(__file__).parent.parent.parent / "docs" / "onnx-without-lseg.md"
ALLOWED = {"numpy", "onnxruntime", "PIL", *sys.stdlib_module_names}


@pytest.fixture(scope="module")
def block() -> str:
    (found,) = re.findall(r"```python title=\"segment.py\"\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def test_it_needs_nothing_of_ours_and_has_twenty_lines(block: str) -> None:
    imported = set()
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert "onnxruntime" in imported
    assert imported <= ALLOWED
    lines = [line for line in block.splitlines() if line and not line.startswith(("import ", "from "))]
    assert len(lines) <= 20


@pytest.mark.parametrize("labels", ["sky, building, water, other", "sky"])
def test_its_mask_is_that_of_lseg_segment(
    labels: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(load_sample_image("china.jpg")).resize((300, 200)).save("photo.jpg")
    shutil.copy(GRAPH, "tiny.onnx")
    assert lseg("labels", "compile", labels, "-o", "words.vocab.safetensors") == 0
    exec(compile(block, PAGE.name, "exec"), {})
    segment = ("segment", "photo.jpg", "-m", "tiny.onnx", "-d", "cpu", "-q")
    assert lseg(*segment, "-l", "words.vocab.safetensors") == 0
    with Image.open("mask.png") as theirs, Image.open("out/masks/photo.png") as ours:
        assert theirs.size == ours.size == (300, 200)
        assert (np.asarray(theirs) == np.asarray(ours)).mean() >= 0.998
        assert (len(np.unique(np.asarray(ours))) > 2) == ("," in labels)
