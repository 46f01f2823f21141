import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lseg_cli.model.correlation import compact, correlate, unit_upsample

SHAPES = [(8, 8), (8, 24), (13, 8), (15, 15), (9, 57)]  # 8 is the least: a quarter of 32 pixels


def plain(features: Tensor, text: Tensor) -> Tensor:
    """As in the paper: upsample, unit length, dot product, temperature."""
    dense = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
    pixels = dense / dense.norm(dim=1, keepdim=True)
    words = text / text.norm(dim=1, keepdim=True)
    return torch.einsum("bchw,nc->bnhw", pixels, words) / 0.07


def tensors(height: int, width: int, labels: int = 5, channels: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * 100 + width)
    features = torch.randn(2, channels, height, width, generator=generator) * 3 + 1
    return features, torch.randn(labels, channels, generator=generator) * 2


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_equals_the_plain_formulation(height: int, width: int) -> None:
    features, text = tensors(height, width)
    ours = correlate(features, text)
    assert ours.shape == (2, 5, 2 * height, 2 * width)
    torch.testing.assert_close(ours * 0.07, plain(features, text) * 0.07, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_gradients_equal_the_plain_formulations(height: int, width: int) -> None:
    upstream = torch.randn(2, 5, 2 * height, 2 * width, generator=torch.Generator().manual_seed(0))
    gradients = []
    for formulation in (correlate, plain):
        features, text = (tensor.requires_grad_() for tensor in tensors(height, width))
        gradients.append(torch.autograd.grad((formulation(features, text) * upstream).sum(), (features, text)))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours / theirs.abs().max(), theirs / theirs.abs().max(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", [1e-6, 1.0, 1e6])
def test_kept_features_give_the_same_cosines(length: float) -> None:
    features, text = tensors(8, 24)
    features[1] *= 100
    kept = compact(features * length)
    assert kept.dtype == torch.float16
    assert kept.abs().amax((1, 2, 3)).tolist() == [1, 1]
    cosines = correlate(kept.float(), text) * 0.07
    torch.testing.assert_close(cosines, correlate(features, text) * 0.07, atol=1e-3, rtol=0)


def test_features_of_nothing_are_kept_as_nothing() -> None:
    assert not compact(torch.zeros(1, 4, 8, 8)).any()


def test_lengths_do_not_count() -> None:
    features, text = tensors(8, 8)
    torch.testing.assert_close(correlate(features * 100, text / 7), correlate(features, text), atol=1e-4, rtol=0)


def test_pixels_without_a_direction_give_zero_and_a_finite_gradient() -> None:
    _, text = tensors(8, 8)
    features = torch.zeros(1, 32, 8, 8, requires_grad=True)
    logits = correlate(features, text)
    (gradient,) = torch.autograd.grad(logits.sum(), features)
    assert not logits.any()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("labels", [1, 2, 3, 150, 257])
def test_permuted_labels_permute_the_logits(labels: int) -> None:
    features, text = tensors(9, 15, labels, channels=512)
    order = torch.randperm(labels, generator=torch.Generator().manual_seed(1))
    assert torch.equal(correlate(features, text[order]), correlate(features, text)[:, order])


def test_the_dense_embedding_is_the_upsampled_one_at_unit_length() -> None:
    features, text = tensors(8, 24)
    dense = unit_upsample(features)
    assert dense.shape == (2, 32, 16, 48)
    torch.testing.assert_close(dense.norm(dim=1), torch.ones(2, 16, 48))
    words = text / text.norm(dim=1, keepdim=True)
    torch.testing.assert_close(torch.einsum("bchw,nc->bnhw", dense, words) / 0.07, plain(features, text))


def test_long_features_are_numbers_in_float16() -> None:
    """Squared lengths beyond 65,504, where float16 ends, made the bundled model's logits NaN."""
    torch.manual_seed(0)
    features, text = torch.randn(1, 64, 6, 7) * 50, torch.randn(5, 64) / 8
    assert features.square().sum(1).min() > 65_504
    half = correlate(features.half(), text.half())
    assert half.dtype == torch.float16
    assert (half.float() - correlate(features, text)).abs().max() < 0.05
