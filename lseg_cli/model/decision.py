"""The decision: the winner of every pixel, and its softmax.

PyTorch decides some labels at a time, from scores before the model's last upsampling. A graph holds all logits anyway,
for they are one of its outputs. There 1 / sum(exp(logit - winner's)) needs no logarithm, and nothing overflows; the
winner's logit is found by a maximum, for looking it up where the arg-max is (GatherElements) is what ONNX's reference
evaluator and others cannot do.
"""

import torch
from torch import Tensor

from lseg_cli.model.decoder import upsample2_each

_MOST_LOGITS = 2**26  # at a time: 256 MB


def winner(logits: Tensor) -> Tensor:
    """Index of the greatest logit, the lower one of equals: (B, N, H, W) -> (B, H, W) int32."""
    return logits.argmax(1).int()


def softmax(logits: Tensor) -> Tensor:
    """The winner's share: (B, N, H, W) -> (B, H, W), from 1 / N to 1."""
    return (logits - logits.amax(1, keepdim=True)).exp().sum(1).reciprocal()


def decide(scores: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N, H / 2, W / 2) -> the mask (B, H, W) int32, the lower one of equals, and its softmax (B, H, W).

    Some labels at a time: a thousand at 480x640 pixels would be 1.2 GB, and their exponentials as much again.
    """
    at_once = max(1, _MOST_LOGITS // (4 * scores[:, 0].numel()))
    mask = best = total = torch.zeros(0)
    for first in range(0, scores.shape[1], at_once):
        logits = upsample2_each(scores[:, first : first + at_once])
        top, index = logits.max(1)
        if first == 0:
            mask, best, total = index, top, torch.zeros_like(top)
        else:
            mask = torch.where(top > best, index + first, mask)
            top = torch.maximum(top, best)
            total, best = total * (best - top).exp(), top
        total = total + logits.sub_(best.unsqueeze(1)).exp_().sum(1)
    return mask.int(), 1 / total
