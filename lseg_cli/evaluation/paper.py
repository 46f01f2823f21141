"""The paper's figures, to be printed beside ours where data set, protocol and kind of model are the same.

Li et al., Language-driven Semantic Segmentation, ICLR 2022; tables 1 to 6. Shares, where the paper has per cent.
"""

from dataclasses import dataclass

from lseg_cli.config import ModelConfig, RegularizerConfig

_RN101, _VIT_B32, _VIT_L16 = "resnet101", "vit_base_patch32_384", "vit_large_patch16_384"
_CLIP = "ViT-B-32"


@dataclass(frozen=True)
class Fact:
    """A row of a table.

    Attributes:
        protocol: by which it was measured.
        encoder: of the image, by timm's name.
        text: encoder, by open_clip's name without '-quickgelu'.
        source: the table.
        mean_iou: share.
        pixel_accuracy: share, where the table has it.
        fb_iou: share, where the table has it.
        fold: 0 to 3; None: all folds, or the whole set.
        block: kind of regulariser.
        depth: how many times it is applied.
    """

    protocol: str
    encoder: str
    text: str
    source: str
    mean_iou: float
    pixel_accuracy: float | None = None
    fb_iou: float | None = None
    fold: int | None = None
    block: str = "none"
    depth: int = 0


def _folds(protocol: str, table: int, encoder: str, folds: tuple[float, ...], mean: float, fb: float) -> list[Fact]:
    source = f"table {table}"
    single = [Fact(protocol, encoder, _CLIP, source, iou, fold=number) for number, iou in enumerate(folds)]
    return [*single, Fact(protocol, encoder, _CLIP, source, mean, fb_iou=fb)]


def _ade20k(
    table: int, encoder: str, text: str, accuracy: float, iou: float, block: str = "none", depth: int = 0
) -> Fact:
    return Fact("lseg-paper", encoder, text, f"table {table}", iou, accuracy, block=block, depth=depth)


_FACTS = (
    *_folds("pascal5i", 1, _RN101, (0.528, 0.538, 0.444, 0.385), 0.474, 0.641),
    *_folds("pascal5i", 1, _VIT_L16, (0.613, 0.636, 0.431, 0.410), 0.523, 0.670),
    *_folds("coco20i", 2, _RN101, (0.221, 0.251, 0.249, 0.215), 0.234, 0.579),
    *_folds("coco20i", 2, _VIT_L16, (0.281, 0.275, 0.300, 0.232), 0.272, 0.599),
    Fact("fss1000", _RN101, _CLIP, "table 3", 0.847),
    Fact("fss1000", _VIT_L16, _CLIP, "table 3", 0.878),
    _ade20k(4, _VIT_B32, _CLIP, 0.7972, 0.3919, "depthwise", 1),
    _ade20k(4, _VIT_B32, _CLIP, 0.7978, 0.3945, "depthwise", 2),
    _ade20k(4, _VIT_B32, _CLIP, 0.0767, 0.0018, "depthwise", 4),
    _ade20k(4, _VIT_B32, _CLIP, 0.7964, 0.3916, "bottleneck", 1),
    _ade20k(4, _VIT_B32, _CLIP, 0.7970, 0.3979, "bottleneck", 2),
    _ade20k(4, _VIT_B32, _CLIP, 0.7968, 0.3878, "bottleneck", 4),
    _ade20k(5, _VIT_B32, _CLIP, 0.7970, 0.3783),
    _ade20k(5, _VIT_B32, "ViT-B-16", 0.7977, 0.3869),
    _ade20k(5, _VIT_B32, "RN50x4", 0.7985, 0.3893),
    _ade20k(5, _VIT_B32, "RN50x16", 0.8026, 0.4036),
    _ade20k(6, _VIT_L16, _CLIP, 0.8246, 0.4628),
    _ade20k(6, _VIT_L16, "RN50x16", 0.8278, 0.4725),
)


def find_fact(model: ModelConfig, data: str, protocol: str, fold: int | None = None) -> Fact | None:
    """What the paper reports for such a model, if anything.

    Args:
        model: its configuration.
        data: name of the data set.
        protocol: name of the protocol.
        fold: of the protocol; None: all.
    """
    if protocol == "lseg-paper" and not data.startswith("ade20k"):
        return None
    regularizer = model.regularizer if model.regularizer.depth else RegularizerConfig()
    kind = (protocol, fold, model.encoder.name, model.text.name.removesuffix("-quickgelu"))
    for fact in _FACTS:
        is_same_block = (fact.block, fact.depth) == (regularizer.kind, regularizer.depth)
        if (fact.protocol, fact.fold, fact.encoder, fact.text) == kind and is_same_block:
            return fact
    return None
