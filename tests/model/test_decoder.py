from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lseg_cli.model.decoder import DPTDecoder, Fusion, ReadoutDecoder, ResidualUnit, upsample2

CHANNELS, WIDTH, EMBEDDING = (6, 8, 10, 12), 8, 16


def plain_unit(unit: ResidualUnit, x: Tensor) -> Tensor:
    _, conv1, norm1, _, conv2, norm2 = unit.body
    residual: Tensor = norm2(conv2(F.relu(norm1(conv1(F.relu(x))))))
    return x + residual


def plain_decoder(decoder: DPTDecoder, levels: Sequence[Tensor]) -> Tensor:
    """The original order: every level is upsampled before its 1x1 convolution, the last one before the head too."""
    path: Tensor | None = None
    for index in (3, 2, 1, 0):
        fuse = decoder.fuse[index]
        assert isinstance(fuse, Fusion)
        x = F.conv2d(levels[index], decoder.get_parameter(f"project.{index}.weight"), padding=1)
        if path is not None:
            assert fuse.skip is not None
            x = path + plain_unit(fuse.skip, x)
        x = plain_unit(fuse.unit, x)
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        path = F.conv2d(x, fuse.out.weight, fuse.out.bias)
    assert path is not None
    return F.conv2d(path, decoder.head.weight, decoder.head.bias)


@pytest.fixture
def decoder() -> DPTDecoder:
    """With running statistics that are not the identity."""
    torch.manual_seed(0)
    decoder = DPTDecoder(CHANNELS, WIDTH, EMBEDDING)
    for module in decoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.5, 1.5)
    return decoder


def make_levels(height_px: int, width_px: int) -> list[Tensor]:
    return [
        torch.randn(2, channels, height_px // stride, width_px // stride)
        for channels, stride in zip(CHANNELS, (4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("height_px", "width_px"), [(32, 64), (96, 64)])
def test_equals_the_original_order(decoder: DPTDecoder, height_px: int, width_px: int, training: bool) -> None:
    decoder.train(training)
    levels = make_levels(height_px, width_px)
    ours = decoder(levels)
    assert ours.shape == (2, EMBEDDING, height_px // 4, width_px // 4)
    torch.testing.assert_close(upsample2(ours), plain_decoder(decoder, levels), atol=1e-5, rtol=1e-5)


def test_the_deepest_level_alone_has_no_skip_unit(decoder: DPTDecoder) -> None:
    assert [fuse.skip is not None for fuse in decoder.fuse if isinstance(fuse, Fusion)] == [True, True, True, False]


def test_convolutions_before_a_norm_have_no_bias_and_the_others_do(decoder: DPTDecoder) -> None:
    biases = {name for name, module in decoder.named_modules() if isinstance(module, nn.Conv2d) and module.bias is None}
    units = [f"fuse.{level}.{unit}" for level in range(4) for unit in ("skip", "unit") if (level, unit) != (3, "skip")]
    expected = {f"{unit}.body.{place}" for unit in units for place in (1, 4)}
    assert biases == expected | {f"project.{level}" for level in range(4)}
    assert decoder.head.bias is not None


def test_corners_stay_in_place_when_upsampled() -> None:
    x = torch.randn(1, 2, 3, 5)
    big = upsample2(x)
    assert big.shape == (1, 2, 6, 10)
    torch.testing.assert_close(big[..., :: big.shape[2] - 1, :: big.shape[3] - 1], x[..., ::2, ::4])


def test_a_readout_decoder_gives_embeddings_at_the_finest_level() -> None:
    levels = make_levels(64, 96)
    embeddings = ReadoutDecoder(CHANNELS, (4, 6, 8, 10), EMBEDDING).eval()(levels)
    assert embeddings.shape == (2, EMBEDDING, 16, 24)


def test_without_its_path_a_readout_decoder_is_a_linear_layer_on_the_maps() -> None:
    decoder = ReadoutDecoder(CHANNELS, (4, 6, 8, 10), EMBEDDING).eval()
    for tier in decoder.tiers:
        nn.init.zeros_(tier.readout.weight)  # type: ignore[union-attr, arg-type]
    levels = make_levels(64, 96)
    one, other = decoder(levels), decoder([2 * level for level in levels])
    zero = decoder([0 * level for level in levels])
    torch.testing.assert_close(other - zero, 2 * (one - zero), atol=1e-5, rtol=1e-5)


def test_a_readout_decoder_has_two_units_at_stride_16_alone() -> None:
    decoder = ReadoutDecoder(CHANNELS, (4, 6, 8, 10), EMBEDDING)
    assert [len(tier.units) for tier in decoder.tiers] == [1, 1, 2, 1]  # type: ignore[arg-type]
