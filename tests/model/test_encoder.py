import math
from itertools import product
from typing import Any

import pytest
import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from lseg_cli.config import PRESETS, EncoderConfig, ModelConfig
from lseg_cli.errors import LsegError
from lseg_cli.model.encoder import PyramidEncoder, Reassemble, SameConv2d, ViTEncoder, build_encoder
from lseg_cli.model.lseg import build

TAPS, CHANNELS = (1, 2, 3, 5), (8, 8, 16, 16)


class Tokens(nn.Module):
    """Stands in for `Reassemble`: gives the tokens of a level as they come, the class token first."""

    def forward(self, class_token: Tensor, tokens: Tensor, rows: int, columns: int) -> Tensor:
        assert tokens.shape[1] == rows * columns
        return torch.cat((class_token, tokens), dim=1)


@pytest.fixture
def vit() -> ViTEncoder:
    """With position embeddings large enough to matter."""
    torch.manual_seed(0)
    encoder = ViTEncoder("test_vit", TAPS, CHANNELS).eval()
    nn.init.normal_(encoder.vit.pos_embed)
    nn.init.normal_(encoder.vit.cls_token)
    return encoder


def gelu(x: Tensor) -> Tensor:
    """The exact one, not tanh's approximation."""
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def bilinear(count: int, wanted: int) -> Tensor:
    """(wanted, count): every row lies between two cells, half-pixel centres, nothing is smoothed when shrinking."""
    matrix = torch.zeros(wanted, count)
    for row in range(wanted):
        position = min(max((row + 0.5) * count / wanted - 0.5, 0), count - 1)
        low = int(position)
        matrix[row, low] += 1 - (position - low)
        matrix[row, min(low + 1, count - 1)] += position - low
    return matrix


def test_levels_are_the_tapped_blocks_without_the_final_norm(vit: ViTEncoder) -> None:
    plain: Any = timm.create_model("test_vit", num_classes=0).eval()
    nn.init.normal_(plain.norm.weight)  # it would show
    plain.load_state_dict(vit.vit.state_dict(), strict=False)
    vit.reassemble = nn.ModuleList(Tokens() for _ in TAPS)
    pixels = torch.randn(2, 3, 160, 160)  # the size of its table of positions
    tokens = plain.norm_pre(plain._pos_embed(plain.patch_embed(pixels)))
    expected = []
    for index, block in enumerate(plain.blocks):
        tokens = block(tokens)
        if index in TAPS:
            expected.append(tokens)
    torch.testing.assert_close(vit(pixels), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("rows", "columns"), [(4, 6), (10, 10), (14, 4)])
def test_the_table_of_positions_is_resized_bilinearly_without_antialias(
    vit: ViTEncoder, rows: int, columns: int
) -> None:
    nn.init.zeros_(vit.vit.patch_embed.proj.weight)
    nn.init.zeros_(vit.vit.patch_embed.proj.bias)
    tokens = vit.embed(torch.zeros(1, 3, rows * 16, columns * 16))
    table = vit.vit.pos_embed[0, 1:].reshape(10, 10, -1)
    resized = torch.einsum("yh,hwd,xw->yxd", bilinear(10, rows), table, bilinear(10, columns))
    torch.testing.assert_close(tokens[0, 1:], resized.flatten(0, 1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(tokens[0, 0], vit.vit.cls_token[0, 0] + vit.vit.pos_embed[0, 0])


def test_patches_go_row_by_row_and_the_class_token_comes_first(vit: ViTEncoder) -> None:
    nn.init.zeros_(vit.vit.pos_embed)
    pixels = torch.randn(1, 3, 32, 64)
    patches = torch.stack([pixels[0, :, y : y + 16, x : x + 16] for y, x in product((0, 16), (0, 16, 32, 48))])
    projection = vit.vit.patch_embed.proj
    expected = patches.flatten(1) @ projection.weight.flatten(1).T + projection.bias
    torch.testing.assert_close(vit.embed(pixels)[0, 1:], expected, atol=1e-5, rtol=1e-5)


def test_the_readout_sees_the_token_and_then_the_class_token() -> None:
    block = Reassemble(token_width=3, channels=3, patch_px=16, stride_px=16)
    with torch.no_grad():
        block.readout.weight.copy_(torch.cat((torch.eye(3), 2 * torch.eye(3)), dim=1))
        block.readout.bias.fill_(0.5)
        block.project.weight.copy_(torch.eye(3)[:, :, None, None])
        nn.init.zeros_(block.project.bias)  # type: ignore[arg-type]
    class_token, tokens = torch.randn(2, 1, 3), torch.randn(2, 10, 3)
    grid = block(class_token, tokens, 2, 5)
    expected = gelu(tokens + 2 * class_token + 0.5)
    for row, column in product(range(2), range(5)):
        torch.testing.assert_close(grid[:, :, row, column], expected[:, row * 5 + column])


@pytest.mark.parametrize("patch_px", [8, 16, 32])
@pytest.mark.parametrize("stride_px", [4, 8, 16, 32])
def test_reassembled_maps_have_their_stride(patch_px: int, stride_px: int) -> None:
    rows, columns = 64 // patch_px, 96 // patch_px
    block = Reassemble(4, 5, patch_px, stride_px)
    grid = block(torch.randn(1, 1, 4), torch.randn(1, rows * columns, 4), rows, columns)
    assert grid.shape == (1, 5, 64 // stride_px, 96 // stride_px)


def test_resampling_is_that_of_the_paper() -> None:
    for preset, kernels in (("lseg-vitl16", [(4, 4), (2, 2), (3, 3)]), ("lseg-vitb32", [(8, 8), (4, 4), (2, 2)])):
        with torch.device("meta"):
            encoder = build_encoder(PRESETS[preset].encoder)
        assert isinstance(encoder, ViTEncoder)
        layers = [layer.resample for layer in encoder.reassemble if isinstance(layer, Reassemble)]
        assert [layer.kernel_size for layer in layers if isinstance(layer, nn.ConvTranspose2d | nn.Conv2d)] == kernels
        assert all(block.norm1.eps == block.norm2.eps == 1e-6 for block in encoder.vit.blocks)
        assert all(block.mlp.act.approximate == "none" for block in encoder.vit.blocks)
        assert len(encoder.vit.blocks) == encoder.taps[-1] + 1


@pytest.mark.parametrize(("height", "width"), [(32, 64), (96, 32), (160, 160)])
def test_both_encoders_give_strides_4_to_32(
    vit_config: ModelConfig, pyramid_config: ModelConfig, height: int, width: int
) -> None:
    for config in (vit_config, pyramid_config):
        encoder = build_encoder(config.encoder).eval()
        levels = encoder(torch.randn(2, 3, height, width))
        assert [tuple(level.shape) for level in levels] == [
            (2, channels, height // stride, width // stride)
            for channels, stride in zip(encoder.channels, (4, 8, 16, 32), strict=True)
        ]


def test_a_pyramid_gives_its_backbones_maps(pyramid_config: ModelConfig) -> None:
    encoder = build_encoder(pyramid_config.encoder).eval()
    assert isinstance(encoder, PyramidEncoder)
    assert encoder.channels == (24, 32, 48, 64)
    pixels = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(encoder(pixels), encoder.backbone(pixels))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"taps": (1, 2, 3, 6)}, r"test_vit has 6 blocks; the last tap is 6\."),
        ({"taps": (2, 1, 3, 5)}, r"taps .*2, 1, 3, 5.* ascend"),
        ({"taps": (1, 1, 3, 5)}, r"taps .*1, 1, 3, 5.* ascend"),
        ({"taps": (-1, 1, 3, 5)}, r"taps .*-1, 1, 3, 5.* ascend"),
        ({"channels": ()}, r"4 widths.*channels"),
        ({"channels": (8, 8, 8)}, r"4 widths.*channels"),
        ({"name": "test_vit2"}, "test_vit2 cannot be tapped: it needs a class token"),
        ({"name": "test_resnet"}, "encoder test_resnet of tiny-vit cannot be built"),
        ({"name": "no_such_net"}, "no_such_net"),
        (
            {"kind": "pyramid", "name": "test_efficientnet", "taps": (0, 1, 2, 3)},
            r"strides \(2, 4, 8, 16\).*other taps",
        ),
        ({"kind": "pyramid", "name": "test_efficientnet", "taps": (1, 2, 3, 9)}, "encoder test_efficientnet of tiny"),
        ({"kind": "pyramid", "name": "test_vit"}, r"strides \(16, 16, 16, 16\)"),
        ({"kind": "pyramid", "name": "no_such_net"}, "no_such_net"),
    ],
    ids=str,
)
def test_what_cannot_be_tapped_is_told(vit_config: ModelConfig, changes: dict[str, object], sentence: str) -> None:
    encoder = EncoderConfig.model_validate({**vit_config.encoder.model_dump(), **changes})
    with pytest.raises(LsegError, match=sentence):
        build(vit_config.model_copy(update={"encoder": encoder}))


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_constant_padding_is_tensorflows_at_sides_of_the_strides_multiple(
    kernel: int, stride: int, dilation: int
) -> None:
    conv = Conv2dSame(4, 8, kernel, stride, dilation=dilation, groups=2)
    same = SameConv2d(conv)
    for height, width in product((2, 6, 32), (4, 16)):
        x = torch.rand(1, 4, height, width)
        assert torch.equal(same(x), conv(x))


def test_the_encoder_of_lseg_tiny_pads_by_constants() -> None:
    encoder = PyramidEncoder("tf_efficientnet_lite2", (1, 2, 3, 4))
    assert not any(isinstance(module, Conv2dSame) for module in encoder.modules())
    assert sum(isinstance(module, SameConv2d) for module in encoder.modules()) == 5
