"""The names of the original implementation's checkpoints, and what they are called here.

A checkpoint of lang-seg holds `net.clip_pretrained.*`, `net.pretrained.*` (encoder) and `net.scratch.*` (decoder).
"""

import re
from collections.abc import Mapping

from torch import Tensor

# (what the original calls it, what we do); tried in this order on the key without its prefix `net.`
_RENAMES: tuple[tuple[str, str], ...] = (
    (r"pretrained\.model\.(norm|head)\..*", ""),  # the ViT's final norm and classifier: never used
    (r"pretrained\.model\.", "encoder.vit."),
    (r"pretrained\.act_postprocess(\d)\.0\.project\.0\.", r"encoder.reassemble.{level}.readout."),
    (r"pretrained\.act_postprocess(\d)\.3\.", r"encoder.reassemble.{level}.project."),
    (r"pretrained\.act_postprocess(\d)\.4\.", r"encoder.reassemble.{level}.resample."),
    (r"pretrained\.layer1\.0\.", "encoder.backbone.conv1."),
    (r"pretrained\.layer1\.1\.", "encoder.backbone.bn1."),
    (r"pretrained\.layer1\.4\.", "encoder.backbone.layer1."),
    (r"pretrained\.layer([234])\.", r"encoder.backbone.layer\1."),
    (r"scratch\.refinenet4\.resConfUnit1\..*", ""),  # the deepest level has no skip: never used
    (r"scratch\.layer(\d)_rn\.", r"decoder.project.{level}."),
    (r"scratch\.refinenet(\d)\.out_conv\.", r"decoder.fuse.{level}.out."),
    (r"scratch\.refinenet(\d)\.resConfUnit1\.", r"decoder.fuse.{level}.skip.body."),
    (r"scratch\.refinenet(\d)\.resConfUnit2\.", r"decoder.fuse.{level}.unit.body."),
    (r"scratch\.head1\.", "decoder.head."),
    (r"scratch\.head_block\.depthwise\.(?:depthwise\.)?", "regularizer.conv."),
)
_UNIT_PARTS = {"conv1": "1", "bn1": "2", "conv2": "4", "bn2": "5"}  # places in ResidualUnit.body


def rename(key: str) -> str | None:
    """Our name of an original key; '' if it is dead by design or belongs to CLIP; None if it is not one of theirs."""
    if not key.startswith("net."):
        return None
    key = key.removeprefix("net.")
    if key.startswith("clip_pretrained."):
        return ""
    for pattern, target in _RENAMES:
        match = re.match(pattern, key)
        if match is None:
            continue
        if not target:
            return ""
        level = str(int(match.group(1)) - 1) if "{level}" in target else ""
        rest = key[match.end() :]
        if target.endswith(".body."):
            part, _, rest = rest.partition(".")
            if part not in _UNIT_PARTS:
                return None
            rest = f"{_UNIT_PARTS[part]}.{rest}"
        return match.expand(target.replace("{level}", level)) + rest
    return None


def translate(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """An original state dict under our names, and the keys that are not known."""
    ours: dict[str, Tensor] = {}
    unknown: list[str] = []
    for key, tensor in state.items():
        name = rename(key)
        if name is None:
            unknown.append(key)
        elif name:
            ours[name] = tensor
    return ours, unknown
