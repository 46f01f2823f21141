"""What happens to the numbers of a model that is exported in half precision."""

from typing import Any

import pytest
import torch
from torch import nn

from lseg_cli.config import ModelConfig
from lseg_cli.model.lseg import LSeg, build
from lseg_export.precision import cast, fold_norms, replace_transposed


@pytest.fixture(params=["pyramid", "vit"])
def model(request: pytest.FixtureRequest, pyramid_config: ModelConfig, vit_config: ModelConfig) -> LSeg:
    torch.manual_seed(0)
    model = build(pyramid_config if request.param == "pyramid" else vit_config).eval()
    norms: list[Any] = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        for tensor in (norm.bias, norm.running_mean):
            nn.init.normal_(tensor)
        for tensor in (norm.weight, norm.running_var):
            nn.init.uniform_(tensor, 0.5, 1.5)
    return model


def test_folding_changes_no_answer(model: LSeg) -> None:
    pixels = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        before = model.features(pixels)
        fold_norms(model)
        after = model.features(pixels)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert (before - after).abs().max() < 1e-4 * before.abs().max()


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_half_precision_is_for_encoder_and_decoder(model: LSeg, precision: str, dtype: torch.dtype) -> None:
    dtypes = cast(model, precision)
    types = {name.split(".")[0]: tensor.dtype for name, tensor in model.named_parameters()}
    assert types.pop("regularizer", torch.float32) == torch.float32
    assert types == {"encoder": dtypes.encoder, "decoder": dtype}
    assert dtypes == (torch.float32 if model.config.encoder.kind == "pyramid" else dtype, dtype)


def test_an_encoder_of_whole_convolutions_is_halved(pyramid_config: ModelConfig) -> None:
    encoder = pyramid_config.encoder.model_copy(update={"name": "test_resnet"})
    assert cast(build(pyramid_config.model_copy(update={"encoder": encoder})), "fp16").encoder == torch.float16


def test_a_transposed_convolution_is_a_convolution_and_a_shuffle(vit_config: ModelConfig) -> None:
    torch.manual_seed(0)
    model = build(vit_config).eval()
    pixels = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        before = model.features(pixels)
        replace_transposed(model)
        after = model.features(pixels)
    assert not any(isinstance(module, nn.ConvTranspose2d) for module in model.modules())
    assert sum(isinstance(module, nn.PixelShuffle) for module in model.modules()) == 2
    assert (before - after).abs().max() < 1e-5 * before.abs().max()


def test_full_precision_leaves_the_model_alone(model: LSeg) -> None:
    before = [name for name, _ in model.named_modules()]
    assert cast(model, "fp32") == (torch.float32, torch.float32)
    assert [name for name, _ in model.named_modules()] == before
