"""Image encoders: four feature maps at strides 4, 8, 16 and 32 (section 3 of the paper; DPT, Ranftl et al. 2021).

Both take normalised pixels whose sides are multiples of 32.
"""

from typing import Any

import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lseg_cli.config import EncoderConfig

STRIDES = (4, 8, 16, 32)


class SameConv2d(nn.Conv2d):
    """TensorFlow's 'SAME' convolution of inputs whose sides are multiples of the stride, as ours are at every level.

    Then the padding is a constant, (dilated kernel - stride) in all and the odd pixel behind. timm computes it from the
    input's size at every call, which would leave that size in an exported graph.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        """Takes over the parameters of `conv`."""
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            (conv.kernel_size[0], conv.kernel_size[1]),
            (conv.stride[0], conv.stride[1]),
            dilation=(conv.dilation[0], conv.dilation[1]),
            groups=conv.groups,
            device="meta",
        )
        self.weight, self.bias = conv.weight, conv.bias
        totals = [
            max(dilation * (kernel - 1) + 1 - stride, 0)
            for kernel, stride, dilation in zip(self.kernel_size, self.stride, self.dilation, strict=True)
        ]
        self.pads = [side for total in reversed(totals) for side in (total // 2, total - total // 2)]

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h / stride, w / stride)."""
        return F.conv2d(F.pad(x, self.pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class PyramidEncoder(nn.Module):
    """A convolutional backbone that gives its pyramid as it is.

    timm's `resnet101` has the weights' names and the arithmetic of torchvision's, which the paper's code used.
    """

    def __init__(self, name: str, taps: tuple[int, ...], pretrained: bool = False) -> None:
        """`name` and the indices `taps` are those of `timm.create_model(features_only=True)`."""
        super().__init__()
        backbone: Any = timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=taps)
        for path, module in list(backbone.named_modules()):
            if isinstance(module, Conv2dSame):
                backbone.set_submodule(path, SameConv2d(module))
        self.backbone = backbone
        self.channels = tuple(backbone.feature_info.channels())
        strides = tuple(backbone.feature_info.reduction())
        if strides != STRIDES:
            raise ValueError(f"{name} gives maps at strides {strides}; LSeg needs {STRIDES}: choose other taps.")

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> four maps (B, channels[i], H / 4, W / 4) to (..., H / 32, W / 32)."""
        features: list[Tensor] = self.backbone(pixels)
        return features


class Reassemble(nn.Module):
    """Tokens of one ViT level -> a feature map at its stride. Readout 'project': every token meets the class token."""

    def __init__(self, token_width: int, channels: int, patch_px: int, stride_px: int) -> None:
        """`patch_px` is the stride of the tokens, `stride_px` that of the map."""
        super().__init__()
        self.readout = nn.Linear(2 * token_width, token_width)
        self.project = nn.Conv2d(token_width, channels, 1)
        self.resample: nn.Module
        if patch_px > stride_px:
            factor = patch_px // stride_px
            self.resample = nn.ConvTranspose2d(channels, channels, factor, stride=factor)
        elif patch_px == stride_px:
            self.resample = nn.Identity()
        else:
            self.resample = nn.Conv2d(channels, channels, 3, stride=stride_px // patch_px, padding=1)

    def forward(self, class_token: Tensor, tokens: Tensor, rows: int, columns: int) -> Tensor:
        """(B, 1, D), (B, rows * columns, D) -> (B, channels, rows * patch / stride, columns * patch / stride)."""
        tokens = F.gelu(self.readout(torch.cat((tokens, class_token.expand_as(tokens)), dim=-1)))
        grid = tokens.transpose(1, 2).reshape(tokens.shape[0], -1, rows, columns)
        resampled: Tensor = self.resample(self.project(grid))
        return resampled


class ViTEncoder(nn.Module):
    """A plain ViT tapped after four blocks, without the final norm, reassembled into a pyramid."""

    def __init__(self, name: str, taps: tuple[int, ...], channels: tuple[int, ...], pretrained: bool = False) -> None:
        """`taps` are 0-based blocks, ascending; `channels` the widths of the reassembled maps."""
        super().__init__()
        vit: Any = timm.create_model(name, pretrained=pretrained, num_classes=0, dynamic_img_size=True)
        vit.norm = nn.Identity()  # the levels are taken before it
        patch_px = int(vit.patch_embed.patch_size[0])
        if vit.cls_token is None or vit.num_prefix_tokens != 1 or patch_px not in (8, 16, 32):
            raise ValueError(
                f"{name} cannot be tapped: it needs a class token alone and patches of 8, 16 or 32 pixels."
            )
        if list(taps) != sorted(set(taps)) or taps[0] < 0:
            raise ValueError(f"The taps {taps} of {name} cannot be used: blocks count from 0 and must ascend.")
        if len(channels) != len(STRIDES):
            raise ValueError(f"{name} needs {len(STRIDES)} widths, one a map; 'channels' names {len(channels)}.")
        if taps[-1] >= len(vit.blocks):
            raise ValueError(f"{name} has {len(vit.blocks)} blocks; the last tap is {taps[-1]}.")
        self.vit: Any = vit  # timm's classes name no types for their attributes
        self.taps = taps
        self.channels = channels
        self.patch_px = patch_px
        self.reassemble = nn.ModuleList(
            Reassemble(vit.embed_dim, width, patch_px, stride) for width, stride in zip(channels, STRIDES, strict=True)
        )

    def embed(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1 + T, D): patches with their position, the class token first.

        The table of positions is resized as the original code does: bilinear, no antialias (TensorRT refuses timm's).
        """
        patches = self.vit.patch_embed(pixels)  # (B, h, w, D)
        prefix = self.vit.num_prefix_tokens
        side = int((self.vit.pos_embed.shape[1] - prefix) ** 0.5)
        table = self.vit.pos_embed[:, prefix:].unflatten(1, (side, side)).permute(0, 3, 1, 2)  # (1, D, side, side)
        table = F.interpolate(table, size=patches.shape[1:3], mode="bilinear", align_corners=False)
        tokens = patches.flatten(1, 2) + table.flatten(2).transpose(1, 2)
        class_tokens = self.vit.cls_token + self.vit.pos_embed[:, :prefix]
        return torch.cat((class_tokens.expand(tokens.shape[0], -1, -1), tokens), dim=1)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> four maps (B, channels[i], H / 4, W / 4) to (..., H / 32, W / 32)."""
        rows, columns = pixels.shape[-2] // self.patch_px, pixels.shape[-1] // self.patch_px
        tokens = self.vit.norm_pre(self.embed(pixels))
        levels: list[Tensor] = []
        for index, block in enumerate(self.vit.blocks[: self.taps[-1] + 1]):
            # In training alone: less memory, the block runs again in the backward pass.
            tokens = checkpoint(block, tokens, use_reentrant=False) if self.vit.grad_checkpointing else block(tokens)
            if index in self.taps:
                reassemble = self.reassemble[len(levels)]
                levels.append(reassemble(tokens[:, :1], tokens[:, self.vit.num_prefix_tokens :], rows, columns))
        return levels


def build_encoder(config: EncoderConfig, pretrained: bool = False) -> PyramidEncoder | ViTEncoder:
    """The encoder a configuration names; `pretrained` fetches timm's ImageNet weights from the hub.

    Raises:
        ValueError: the backbone does not have what LSeg needs.
    """
    if config.kind == "vit":
        return ViTEncoder(config.name, config.taps, config.channels, pretrained)
    return PyramidEncoder(config.name, config.taps, pretrained)
