"""Word-pixel correlation (section 3 of the paper, equation 1), without ever making the upsampled embedding.

The paper upsamples the pixel embedding by two, scales it to unit length and correlates it with the labels. Correlation
is linear, so it commutes with the upsampling. The length does not, but its square does so up to terms that need only
neighbouring embeddings: for a, b and E = (1 - f) a + f b,

    |E|^2 = (1 - f) |a|^2 + f |b|^2 - f (1 - f) |a - b|^2

applied along x and then along y. Same numbers (1e-5), a quarter of the work, no (B, C, H/2, W/2) tensor.
"""

import torch
from torch import Tensor

from lseg_cli.config import TEMPERATURE
from lseg_cli.model.decoder import upsample2, upsample2_each

_TINY = 1e-20  # keeps the derivative finite where an embedding is exactly zero; below any real square


def correlate(features: Tensor, text: Tensor) -> Tensor:
    """Cosine of every pixel of the upsampled features with every label, divided by the temperature.

    Args:
        features: (B, C, h, w), any length.
        text: (N, C), any length.

    Returns:
        (B, N, 2h, 2w) logits.
    """
    # Written out: one runtime ignores the axes of ReduceL2 in silence, and `norm` would become that.
    words = text / (text * text).sum(-1, keepdim=True).sqrt()
    # Pixels times words, in this layout: the order of the words then changes no bit (seen with MKL, 1 to 257 of them;
    # words times pixels does round some rows differently), and a channels-last map is read as it lies.
    pixels = features.flatten(2).transpose(1, 2)  # (B, h * w, C)
    cosines = torch.matmul(pixels, words.T).transpose(1, 2)
    cosines = cosines.reshape(features.shape[0], -1, *features.shape[2:])  # (B, N, h, w)
    # In float32: squared lengths of lseg-tiny reach 82,519, and float16 ends at 65,504; infinite minus infinite is NaN.
    scale = upsampled_square(features.float()).clamp_min(_TINY).rsqrt() / TEMPERATURE
    return upsample2_each(cosines) * scale.to(cosines.dtype)


def upsampled_square(features: Tensor) -> Tensor:
    """Squared length of `upsample2(features)`: (B, C, h, w) -> (B, 1, 2h, 2w)."""
    y, fy = _cells(features[0, 0, :, 0])
    x, fx = _cells(features[0, 0, 0, :])
    gy, gx = (fy * (1 - fy))[:, None], fx * (1 - fx)
    along_x = features[..., :, 1:] - features[..., :, :-1]
    along_y = features[..., 1:, :] - features[..., :-1, :]
    across = along_x[..., 1:, :] - along_x[..., :-1, :]
    step_x = _lerp(_square(along_x).index_select(3, x), y, fy[:, None], 2)
    step_y = _lerp(_square(along_y).index_select(2, y), x, fx, 3)
    twist = _square(across).index_select(2, y).index_select(3, x)
    return upsample2(_square(features)) - gx * step_x - gy * step_y + gy * gx * twist


def unit_upsample(features: Tensor) -> Tensor:
    """The dense embedding itself, as the paper defines it: (B, C, h, w) -> (B, C, 2h, 2w), unit length along C."""
    embedding = upsample2(features)
    unit: Tensor = embedding / embedding.norm(dim=1, keepdim=True)
    return unit


def compact(features: Tensor) -> Tensor:
    """The features as they are kept: (B, C, h, w), any length -> float16, the largest number of each picture 1.

    float16 ends at 65504; only directions and ratios count, so one positive factor changes nothing.
    """
    largest = features.abs().amax((1, 2, 3), keepdim=True).float()
    return (features.float() / largest.clamp_min(_TINY)).half()


def _square(x: Tensor) -> Tensor:
    return (x * x).sum(1, keepdim=True)


def _cells(line: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cell (int64) that each of the 2n points of an upsampled line of n falls into, and how far (0 to 1)."""
    source = torch.arange(line.shape[0], device=line.device, dtype=torch.float32)
    target = torch.arange(2 * line.shape[0], device=line.device, dtype=torch.float32)
    position = target * (source[-1] / target[-1])
    cell = torch.minimum(position.floor(), source[-1] - 1)
    return cell.long(), (position - cell).to(line.dtype)


def _lerp(x: Tensor, cell: Tensor, fraction: Tensor, dim: int) -> Tensor:
    low, high = x.index_select(dim, cell), x.index_select(dim, cell + 1)
    return low + (high - low) * fraction
