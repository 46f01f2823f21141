from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lseg_cli.config import RegularizerConfig
from lseg_cli.model.regularizer import SpatialRegularizer, build_regularizer

CONFIGS = [
    RegularizerConfig(kind=kind, depth=depth, activation=activation)
    for kind, depth, activation in product(("depthwise", "bottleneck"), (1, 2, 4), ("lrelu", "tanh", "relu"))
]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "lrelu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "tanh": torch.tanh,
    "relu": lambda x: x.clamp_min(0),
}


def plain(block: SpatialRegularizer, config: RegularizerConfig, logits: Tensor) -> Tensor:
    """Figure 3, label by label."""
    for application in range(config.depth):
        strongest = logits.max(dim=1).values
        maps = []
        for label in range(logits.shape[1]):
            smooth = F.conv2d(logits[:, label : label + 1], block.conv.weight, block.conv.bias, padding=1)[:, 0]
            maps.append(smooth + strongest if config.kind == "bottleneck" else smooth)
        logits = torch.stack(maps, dim=1)
        if application < config.depth - 1:
            logits = ACTIVATIONS[config.activation](logits)
    return logits


def built(config: RegularizerConfig) -> SpatialRegularizer:
    torch.manual_seed(0)
    block = build_regularizer(config)
    assert isinstance(block, SpatialRegularizer)
    return block


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_equals_figure_3_label_by_label(config: RegularizerConfig) -> None:
    block = built(config)
    logits = torch.randn(2, 5, 9, 7) * 5
    torch.testing.assert_close(block(logits), plain(block, config, logits), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_every_depth_has_one_kernel(config: RegularizerConfig) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in built(config).state_dict().items()}
    assert shapes == {"conv.weight": (1, 1, 3, 3), "conv.bias": (1,)}


@pytest.mark.parametrize("labels", [1, 2, 3, 150, 257])
@pytest.mark.parametrize("kind", ["depthwise", "bottleneck"])
def test_permuted_labels_permute_the_maps_exactly(kind: str, labels: int) -> None:
    block = built(RegularizerConfig.model_validate({"kind": kind, "depth": 2}))
    logits = torch.randn(2, labels, 16, 24)
    order = torch.randperm(labels)
    assert block(logits).shape == logits.shape
    assert torch.equal(block(logits[:, order]), block(logits)[:, order])


@pytest.mark.parametrize("config", [RegularizerConfig(), RegularizerConfig(kind="bottleneck", depth=0)])
def test_no_kind_or_no_depth_changes_nothing(config: RegularizerConfig) -> None:
    block = build_regularizer(config)
    logits = torch.randn(1, 3, 4, 4)
    assert torch.equal(block(logits), logits)
    assert not list(block.parameters())
