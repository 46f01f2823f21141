"""BatchNorm over the whole batch when several processes share it: two of three pictures then train as one of six.

On GPUs it is PyTorch's SyncBatchNorm, by timm, whose layers join norm and activation. On the CPU PyTorch has none
(`SyncBatchNorm expected input tensor to be on GPU`), and what is here does the same: slow, exact, for tests and trials.
"""

from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, distributed, nn


def synchronise(model: nn.Module, device: torch.device) -> None:
    """Makes every BatchNorm inside a model see the batch of all processes; names and weights stay the same."""
    if device.type != "cpu":
        convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return
    for path, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            model.set_submodule(path, SharedBatchNorm(module))


def keep_statistics(model: nn.Module) -> None:
    """Puts every BatchNorm inside a model into evaluation: it uses its statistics and leaves them; weights train."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm):
            module.eval()


class SharedBatchNorm(nn.BatchNorm2d):
    """A BatchNorm whose mean and variance in training are those of all processes, which hold equally many pictures."""

    def __init__(self, own: nn.BatchNorm2d) -> None:
        """Takes the place of `own`: its weights are shared, not copied."""
        super().__init__(own.num_features, own.eps, own.momentum)
        self.weight, self.bias = own.weight, own.bias
        self.running_mean, self.running_var = own.running_mean, own.running_var
        self.num_batches_tracked = own.num_batches_tracked
        self.after = nn.Sequential(own.drop, own.act) if isinstance(own, BatchNormAct2d) else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        if not self.training:
            normal: Tensor = self.after(super().forward(x))
            return normal
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        mean = _SumOfAll.apply(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = _SumOfAll.apply(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            for running, now in ((self.running_mean, mean), (self.running_var, variance * count / (count - 1))):
                if running is not None and self.momentum is not None:
                    running.lerp_(now, self.momentum)
        scale = (variance + self.eps).rsqrt() * self.weight
        shared: Tensor = self.after(centred * scale[:, None, None] + self.bias[:, None, None])
        return shared


class _SumOfAll(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total
