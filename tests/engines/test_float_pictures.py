"""Pictures between whole numbers, for the evaluator that resizes them itself."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lseg_cli.config import ModelConfig
from lseg_cli.contract import FloatEngine, Output
from lseg_cli.errors import MismatchError
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.torch_engine import TorchEngine
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
WANTED: tuple[Output, ...] = ("logits",)


def test_pytorch_takes_pictures_that_are_not_rounded(exported: Exporter, pyramid_config: ModelConfig) -> None:
    engine = TorchEngine.open(exported(pyramid_config, GraphOptions())[0], "cpu")
    assert isinstance(engine, FloatEngine)
    random = np.random.default_rng(0)
    whole = random.integers(0, 256, (2, 64, 96, 3), np.uint8)
    text = random.standard_normal((3, 16), np.float32)
    expected = engine.run(whole, text, WANTED)["logits"]
    floats = whole.astype(np.float32)
    assert (engine.run_float(floats, text, WANTED)["logits"] == expected).all()
    assert (engine.run_float(floats + np.float32(0.4), text, WANTED)["logits"] != expected).any()
    with pytest.raises(MismatchError, match="it must be float32"):
        engine.run_float(whole, text, WANTED)
    with pytest.raises(MismatchError, match="it must be uint8"):
        engine.run(floats, text, WANTED)  # type: ignore[arg-type]  # that is the mistake


def test_an_exported_file_takes_whole_numbers_alone(exported: Exporter, pyramid_config: ModelConfig) -> None:
    engine = OnnxEngine.open(exported(pyramid_config, GraphOptions())[1], "cpu")
    assert not isinstance(engine, FloatEngine)
