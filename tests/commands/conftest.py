"""What tests of commands need: a model that is set for all of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lseg_cli.config import ModelConfig
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import build
from lseg_cli.model.text.word_table import WordTable
from lseg_export.options import GraphOptions
from tests.engines.conftest import make_machine

__all__ = ["make_machine"]


@pytest.fixture(scope="session")
def word_width() -> int:
    return WordTable.open().width


@pytest.fixture(scope="session")
def onnx_model(
    pyramid_config: ModelConfig, word_width: int, exported: Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
) -> Path:
    """A random model of the bundled word table as an ONNX file: its processes start without PyTorch."""
    text = pyramid_config.text.model_copy(update={"width": word_width})
    return exported(pyramid_config.model_copy(update={"text": text}), GraphOptions())[1]


@pytest.fixture
def model(pyramid_config: ModelConfig, word_width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A random model of the bundled word table, set for every command by LSEG_MODEL; the current folder is empty."""
    torch.manual_seed(0)
    text = pyramid_config.text.model_copy(update={"width": word_width})
    path = tmp_path / "model" / "tiny.safetensors"
    save_model(build(pyramid_config.model_copy(update={"text": text})), path)
    monkeypatch.setenv("LSEG_MODEL", str(path))
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return path
