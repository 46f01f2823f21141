"""The names of the original's checkpoints are written out here from its architecture, not from the map under test."""

from collections.abc import Iterator
from itertools import product

import pytest
import torch

from lseg_cli.config import PRESETS, ModelConfig, RegularizerConfig
from lseg_cli.model.lseg import build
from lseg_cli.model.published.names import rename, translate

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
RESNET101_BLOCKS = (3, 4, 23, 3)
UNIT = [*(f"{conv}.weight" for conv in ("conv1", "conv2")), *(f"{bn}.{x}" for bn in ("bn1", "bn2") for x in NORM)]


def vit_keys(depth: int) -> Iterator[str]:
    """timm's ViT, and the four levels that are made of it."""
    for name in ("cls_token", "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"):
        yield f"net.pretrained.model.{name}"
    layers = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    for block, layer, kind in product(range(depth), layers, ("weight", "bias")):
        yield f"net.pretrained.model.blocks.{block}.{layer}.{kind}"
    for level, kind in product((1, 2, 3, 4), ("weight", "bias")):
        yield f"net.pretrained.act_postprocess{level}.0.project.0.{kind}"
        yield f"net.pretrained.act_postprocess{level}.3.{kind}"


def resample_keys(levels: tuple[int, ...]) -> Iterator[str]:
    for level, kind in product(levels, ("weight", "bias")):
        yield f"net.pretrained.act_postprocess{level}.4.{kind}"


def resnet_keys() -> Iterator[str]:
    """torchvision's ResNet-101, cut into four stages; the first holds the stem."""
    yield "net.pretrained.layer1.0.weight"
    yield from (f"net.pretrained.layer1.1.{x}" for x in NORM)
    for stage, blocks in enumerate(RESNET101_BLOCKS, 1):
        prefix = "net.pretrained.layer1.4" if stage == 1 else f"net.pretrained.layer{stage}"
        for block in range(blocks):
            for part in (1, 2, 3):
                yield f"{prefix}.{block}.conv{part}.weight"
                yield from (f"{prefix}.{block}.bn{part}.{x}" for x in NORM)
        yield f"{prefix}.0.downsample.0.weight"
        yield from (f"{prefix}.0.downsample.1.{x}" for x in NORM)


def decoder_keys() -> Iterator[str]:
    for level in (1, 2, 3, 4):
        yield f"net.scratch.layer{level}_rn.weight"
        yield from (f"net.scratch.refinenet{level}.out_conv.{x}" for x in ("weight", "bias"))
        units = ("resConfUnit2",) if level == 4 else ("resConfUnit1", "resConfUnit2")
        yield from (f"net.scratch.refinenet{level}.{unit}.{x}" for unit in units for x in UNIT)
    yield from ("net.scratch.head1.weight", "net.scratch.head1.bias")


DEAD = [
    "net.clip_pretrained.logit_scale",
    "net.clip_pretrained.visual.conv1.weight",
    "net.clip_pretrained.transformer.resblocks.0.attn.in_proj_weight",
    *(f"net.pretrained.model.{part}.{x}" for part in ("norm", "head") for x in ("weight", "bias")),
    *(f"net.scratch.refinenet4.resConfUnit1.{x}" for x in UNIT),
]
UNKNOWN = [
    "epoch",
    "pretrained.model.cls_token",
    "optimizer.net.scratch.head1.weight",
    "net.auxlayer.conv5.0.weight",
    "net.scratch.head2.weight",
    "net.scratch.output_conv.0.weight",
    "net.scratch.refinenet1.resConfUnit1.conv3.weight",
    "net.scratch.refinenet1.resConfUnit2.skip_add.scale",
    "net.pretrained.layer5.0.conv1.weight",
]
REGULARIZED = RegularizerConfig(kind="depthwise", depth=1)


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        (PRESETS["lseg-vitb32"], [*vit_keys(12), *resample_keys((1, 2, 3)), *decoder_keys()]),
        (PRESETS["lseg-vitl16"], [*vit_keys(24), *resample_keys((1, 2, 4)), *decoder_keys()]),
        (PRESETS["lseg-rn101"], [*resnet_keys(), *decoder_keys()]),
    ],
    ids=lambda value: value.name if isinstance(value, ModelConfig) else "keys",
)
def test_every_key_has_its_place_and_every_place_its_key(config: ModelConfig, keys: list[str]) -> None:
    with torch.device("meta"):
        wanted = set(build(config).state_dict())
    renamed = [rename(key) for key in keys]
    assert len(set(renamed)) == len(keys)
    assert set(renamed) == wanted


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("net.pretrained.model.blocks.11.attn.qkv.bias", "encoder.vit.blocks.11.attn.qkv.bias"),
        ("net.pretrained.act_postprocess1.0.project.0.weight", "encoder.reassemble.0.readout.weight"),
        ("net.pretrained.act_postprocess2.3.bias", "encoder.reassemble.1.project.bias"),
        ("net.pretrained.act_postprocess4.4.weight", "encoder.reassemble.3.resample.weight"),
        ("net.pretrained.layer1.0.weight", "encoder.backbone.conv1.weight"),
        ("net.pretrained.layer1.1.running_var", "encoder.backbone.bn1.running_var"),
        ("net.pretrained.layer1.4.2.conv3.weight", "encoder.backbone.layer1.2.conv3.weight"),
        ("net.pretrained.layer3.22.bn1.bias", "encoder.backbone.layer3.22.bn1.bias"),
        ("net.scratch.layer4_rn.weight", "decoder.project.3.weight"),
        ("net.scratch.refinenet4.out_conv.bias", "decoder.fuse.3.out.bias"),
        ("net.scratch.refinenet1.resConfUnit1.conv1.weight", "decoder.fuse.0.skip.body.1.weight"),
        ("net.scratch.refinenet1.resConfUnit1.bn1.weight", "decoder.fuse.0.skip.body.2.weight"),
        ("net.scratch.refinenet4.resConfUnit2.conv2.weight", "decoder.fuse.3.unit.body.4.weight"),
        ("net.scratch.refinenet2.resConfUnit2.bn2.running_mean", "decoder.fuse.1.unit.body.5.running_mean"),
        ("net.scratch.head1.weight", "decoder.head.weight"),
        ("net.scratch.head_block.depthwise.weight", "regularizer.conv.weight"),
        ("net.scratch.head_block.depthwise.depthwise.bias", "regularizer.conv.bias"),
    ],
)
def test_names(key: str, ours: str) -> None:
    assert rename(key) == ours


@pytest.mark.parametrize("key", DEAD)
def test_what_is_never_used_is_dropped(key: str) -> None:
    assert rename(key) == ""


@pytest.mark.parametrize("key", UNKNOWN)
def test_what_is_not_theirs_is_unknown(key: str) -> None:
    assert rename(key) is None


def test_tensors_pass_unchanged_and_unknown_keys_are_listed() -> None:
    state = {key: torch.tensor(float(index)) for index, key in enumerate([*decoder_keys(), *DEAD, *UNKNOWN])}
    ours, unknown = translate(state)
    assert unknown == UNKNOWN
    assert len(ours) == len(list(decoder_keys()))
    assert ours["decoder.head.bias"] is state["net.scratch.head1.bias"]


@pytest.mark.parametrize("prefix", ["net.scratch.head_block.depthwise", "net.scratch.head_block.depthwise.depthwise"])
def test_the_regulariser_has_the_same_keys_whatever_its_kind(pyramid_config: ModelConfig, prefix: str) -> None:
    for regularizer in (REGULARIZED, RegularizerConfig(kind="bottleneck", depth=4)):
        model = build(pyramid_config.model_copy(update={"regularizer": regularizer}))
        wanted = {name for name in model.state_dict() if name.startswith("regularizer.")}
        assert {rename(f"{prefix}.{x}") for x in ("weight", "bias")} == wanted
