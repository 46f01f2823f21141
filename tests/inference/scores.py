"""Scores of a network that was never there, and what PyTorch makes of them at once."""

import numpy as np
import torch
from numpy.typing import NDArray

from lseg_cli.model.decoder import upsample2_each

Floats = NDArray[np.float32]


def at_once(scores: Floats, size: tuple[int, int]) -> torch.Tensor:
    """What PyTorch gives with everything at full size, in double precision: (N, H, W) logits."""
    doubled = upsample2_each(torch.from_numpy(scores)[None]).double()
    return torch.nn.functional.interpolate(doubled, size=size, mode="bilinear", align_corners=False)[0]


def smooth(labels: int, height: int, width: int, scale: float = 3.0, seed: int = 0) -> Floats:
    coarse = torch.randn(1, labels, 5, 6, generator=torch.Generator().manual_seed(seed)) * scale
    fine: Floats = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].numpy()
    return fine
