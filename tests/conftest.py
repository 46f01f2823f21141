"""What many tests need: tiny models, and a folder of pictures with masks."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lseg_cli.config import EncoderConfig, ImageConfig, ModelConfig, RegularizerConfig, TextConfig
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import build
from lseg_export.onnx_file import export_onnx
from lseg_export.options import ExportOptions

CLASSES = ("sky", "road", "car")
COLOURS = np.array([[90, 160, 240], [110, 110, 110], [200, 30, 30]], np.uint8)
HEIGHT_PX, WIDTH_PX = 64, 96


@pytest.fixture
def vit_config() -> ModelConfig:
    """A plain ViT of 6 blocks, patches of 16 pixels; 16 channels wide where the paper has 512."""
    return ModelConfig(
        name="tiny-vit",
        encoder=EncoderConfig(kind="vit", name="test_vit", taps=(1, 2, 3, 5), channels=(8, 8, 16, 16)),
        decoder_width=8,
        text=TextConfig(kind="words", name="words", width=16),
        image=ImageConfig(long_side_px=96),
    )


@pytest.fixture
def pyramid_config() -> ModelConfig:
    """A convolutional pyramid of 80,000 parameters, with a regulariser."""
    return ModelConfig(
        name="tiny-pyramid",
        encoder=EncoderConfig(kind="pyramid", name="test_efficientnet", taps=(1, 2, 3, 4)),
        decoder_width=8,
        regularizer=RegularizerConfig(kind="bottleneck", depth=2),
        text=TextConfig(kind="words", name="words", width=16),
        image=ImageConfig(long_side_px=96),
    )


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """The dataset.yaml of six pictures, four to train on: sky above a road, with a car and a border to be ignored."""
    root = tmp_path / "mini"
    for index, split in enumerate(["train"] * 4 + ["val"] * 2):
        random = np.random.default_rng(index)
        ids = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        ids[random.integers(24, 40) :] = 1
        top, left = random.integers(8, 40), random.integers(8, 64)
        ids[top : top + 16, left : left + 24] = 2
        picture = COLOURS[ids] + random.integers(0, 16, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
        ids[:, :3] = 255
        for kind, pixels in (("images", picture), ("masks", ids)):
            folder = root / kind / split
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{index}.png")
    (root / "dataset.yaml").write_text(
        "name: mini\n"
        "splits:\n"
        "  train: {images: images/train, masks: masks/train}\n"
        "  val: {images: images/val, masks: masks/val}\n"
        f"classes: [{', '.join(CLASSES)}]\n"
    )
    return root / "dataset.yaml"


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ModelConfig, ExportOptions], tuple[Path, Path]]:
    """Makes a model of random weights and exports it, once for all tests: its `.safetensors` and its `.onnx` file."""

    @cache
    def export(config: ModelConfig, options: ExportOptions) -> tuple[Path, Path]:
        torch.manual_seed(0)
        model = build(config)
        for module in model.modules():  # as after training: no layer passes its input on unchanged
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(module.bias)
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        folder = tmp_path_factory.mktemp("exported")
        source, path = folder / "model.safetensors", folder / "model.onnx"
        save_model(model, source)
        export_onnx(source, path, options)
        return source, path

    return export
