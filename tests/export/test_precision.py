"""What happens to the numbers of a model that is exported in half precision."""

from typing import Any

import pytest
import torch
from torch import nn

from lseg_cli.config import ModelConfig
from lseg_cli.model.lseg import LSeg, build
from lseg_export.precision import cast, fold_norms


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


def test_half_precision_is_for_encoder_and_decoder(model: LSeg) -> None:
    assert cast(model, "fp16") == torch.float16
    types = {name.split(".")[0]: tensor.dtype for name, tensor in model.named_parameters()}
    assert types.pop("regularizer", torch.float32) == torch.float32
    assert types == {"encoder": torch.float16, "decoder": torch.float16}


def test_full_precision_leaves_the_model_alone(model: LSeg) -> None:
    before = [name for name, _ in model.named_modules()]
    assert cast(model, "fp32") == torch.float32
    assert [name for name, _ in model.named_modules()] == before
