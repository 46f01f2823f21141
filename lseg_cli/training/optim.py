"""Optimiser, layer-wise rates and the polynomial decay of section 4 of the paper."""

import torch
from torch import nn

from lseg_cli.config import OptimizerConfig, TrainConfig
from lseg_cli.model.lseg import LSeg

_BACKBONES = ("encoder.vit.", "encoder.backbone.")  # pretrained: the rest starts from nothing and learns faster


def build_optimizer(model: LSeg, config: OptimizerConfig, classes: nn.Module | None = None) -> torch.optim.Optimizer:
    """SGD or AdamW; the backbone at the base rate, everything else at `head_factor` times that.

    Args:
        model: to train.
        config: kind and rates.
        classes: class vectors, if they are trained.
    """
    named = [*model.named_parameters(), *(classes.named_parameters() if classes else ())]
    groups: list[dict[str, object]] = []
    for is_backbone in (True, False):
        for decays in (True, False):
            chosen: list[nn.Parameter] = [
                parameter
                for name, parameter in named
                if parameter.requires_grad
                and name.startswith(_BACKBONES) == is_backbone
                and _decays(parameter, config) == decays
            ]
            rate = config.learning_rate * (1.0 if is_backbone else config.head_factor)
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": config.weight_decay if decays else 0.0})
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _decays(parameter: nn.Parameter, config: OptimizerConfig) -> bool:
    """The paper's SGD decays everything; AdamW leaves norms and biases alone, as is usual."""
    return config.name == "sgd" or parameter.ndim > 1


def rate_factor(step: int, steps_per_epoch: int, config: TrainConfig) -> float:
    """What every learning rate is multiplied with at a step: polynomial decay to zero, after an optional warm-up."""
    total = config.epochs * steps_per_epoch
    done = step if config.optimizer.decay_per == "step" else step // steps_per_epoch * steps_per_epoch
    factor: float = (1.0 - done / total) ** config.optimizer.power
    if step < config.optimizer.warmup_steps:
        factor *= (step + 1) / config.optimizer.warmup_steps
    return factor


def set_rates(optimizer: torch.optim.Optimizer, base_rates: list[float], factor: float) -> None:
    """Sets every group's learning rate to its base times `factor`."""
    for group, base in zip(optimizer.param_groups, base_rates, strict=True):
        group["lr"] = base * factor
