"""The names of the original implementation's checkpoints, and what they are called here; both ways.

A checkpoint of lang-seg holds `net.clip_pretrained.*` (a whole CLIP model), `net.pretrained.*` (encoder) and
`net.scratch.*` (decoder).
"""

from collections.abc import Iterator, Mapping

from torch import Tensor

PREFIX = "net."
CLIP = "net.clip_pretrained."
BLOCK = "net.scratch.head_block.depthwise."  # of the regulariser; its kind and depth are not in the file

# In the file, but never used by the original's forward pass.
_DEAD = (
    "pretrained.model.norm.",  # the levels are taken before the ViT's final norm
    "pretrained.model.head.",
    "scratch.refinenet4.resConfUnit1.",  # the deepest level has no skip
)
_UNIT_PARTS = {"conv1": 1, "bn1": 2, "conv2": 4, "bn2": 5}  # places in ResidualUnit.body


def _prefixes() -> Iterator[tuple[str, str]]:
    """Yield the original's name of each group of tensors, without `net.`, and ours."""
    yield "pretrained.model.", "encoder.vit."
    yield "pretrained.layer1.0.", "encoder.backbone.conv1."
    yield "pretrained.layer1.1.", "encoder.backbone.bn1."
    yield "pretrained.layer1.4.", "encoder.backbone.layer1."
    for stage in (2, 3, 4):
        yield f"pretrained.layer{stage}.", f"encoder.backbone.layer{stage}."
    for level in range(4):
        reassemble, fusion = f"pretrained.act_postprocess{level + 1}", f"scratch.refinenet{level + 1}"
        yield f"{reassemble}.0.project.0.", f"encoder.reassemble.{level}.readout."
        yield f"{reassemble}.3.", f"encoder.reassemble.{level}.project."
        yield f"{reassemble}.4.", f"encoder.reassemble.{level}.resample."
        yield f"scratch.layer{level + 1}_rn.", f"decoder.project.{level}."
        yield f"{fusion}.out_conv.", f"decoder.fuse.{level}.out."
        for part, index in _UNIT_PARTS.items():
            yield f"{fusion}.resConfUnit1.{part}.", f"decoder.fuse.{level}.skip.body.{index}."
            yield f"{fusion}.resConfUnit2.{part}.", f"decoder.fuse.{level}.unit.body.{index}."
    yield "scratch.head1.", "decoder.head."
    yield "scratch.head_block.depthwise.depthwise.", "regularizer.conv."
    yield "scratch.head_block.depthwise.", "regularizer.conv."


_PREFIXES = tuple(_prefixes())


def rename(key: str) -> str | None:
    """Our name of an original key; '' if it is dead by design or belongs to CLIP; None if it is not one of theirs."""
    if key.startswith(CLIP):
        return ""
    bare = key.removeprefix(PREFIX)
    if bare == key:
        return None
    if bare.startswith(_DEAD):
        return ""
    return next((ours + bare.removeprefix(theirs) for theirs, ours in _PREFIXES if bare.startswith(theirs)), None)


def original_name(name: str) -> str | None:
    """The original's key of one of our names; None if the original has no such thing."""
    return next(
        (PREFIX + theirs + name.removeprefix(ours) for theirs, ours in _PREFIXES if name.startswith(ours)), None
    )


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
