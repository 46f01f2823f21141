"""OpenVINO: the same numbers as ONNX Runtime, or a sentence."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lseg_cli.bench.made_input import make_pictures, make_text
from lseg_cli.config import ModelConfig
from lseg_cli.contract import Output
from lseg_cli.errors import MismatchError, MissingError
from lseg_engines.openvino.engine import OpenVinoEngine
from lseg_engines.ort.engine import OnnxEngine
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]


@pytest.fixture
def path(pyramid_config: ModelConfig, exported: Exporter) -> Path:
    return exported(pyramid_config, GraphOptions())[1]


@pytest.mark.parametrize("count", [1, 3, 150])
@pytest.mark.parametrize("outputs", [("mask",), ("logits", "mask", "confidence")])
def test_it_answers_as_onnx_runtime(path: Path, outputs: tuple[Output, ...], count: int) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    image, text = make_pictures(2, 64, 96), make_text(count, 16)
    theirs = OpenVinoEngine(path, threads=1).run(image, text, outputs)
    ours = OnnxEngine.open(path, "cpu", threads=1).run(image, text, outputs)
    assert tuple(theirs) == outputs
    assert (ours["mask"] == theirs["mask"]).mean() >= 0.9999
    for name in outputs:
        assert ours[name].dtype == theirs[name].dtype
        assert name == "mask" or np.abs(np.subtract(ours[name], theirs[name])).max() < 1e-4


def test_what_does_not_fit_is_refused(path: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    with pytest.raises(MismatchError, match="multiples of 32"):
        OpenVinoEngine(path).run(make_pictures(1, 60, 96), make_text(2, 16), {"mask"})


def test_it_names_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingError, match=r"--engine openvino needs the package openvino.*\[openvino\]"):
        OpenVinoEngine(path)
