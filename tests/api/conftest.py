"""A photograph that scikit-learn ships, small; and tiny models."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

import lseg_cli as lseg
from lseg_cli.config import ModelConfig
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import build

LABELS = "sky, building, tree, other"


@pytest.fixture(scope="session")
def pixels() -> NDArray[np.uint8]:
    """(120, 180, 3) of a temple under a cloudy sky."""
    return np.asarray(Image.fromarray(load_sample_image("china.jpg")).resize((180, 120)))


@pytest.fixture
def photo(tmp_path: Path, pixels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as a file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="session")
def model() -> lseg.Model:
    """The bundled one."""
    return lseg.load(device="cpu", threads=os.cpu_count())


def saved(config: ModelConfig, path: Path) -> Path:
    """A model of random weights as a file."""
    torch.manual_seed(0)
    network = build(config)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after training: no layer passes its input on unchanged
            torch.nn.init.normal_(module.bias)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    save_model(network, path)
    return path
