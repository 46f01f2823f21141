"""A checkpoint of the original project -> a model of this tool, number for number.

What a checkpoint is, its tensors tell: encoder, CLIP's text tower, width of the embedding. They do not tell the
spatial regulariser's kind and depth, so these are asked for, never guessed. Every key is accounted for: used, or dead
by design (in the file, but nothing in the original's forward pass reads it); any other is an error.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor

from lseg_cli.config import PRESETS, ModelConfig, RegularizerConfig, TextConfig
from lseg_cli.contract import CONFIG_KEY, METADATA_PREFIX, TOWER_KEY
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.model.checkpoint import KEPT, TOWER, write_tensors
from lseg_cli.model.lseg import build
from lseg_cli.model.published.lightning import Checkpoint
from lseg_cli.model.published.names import BLOCK, CLIP, original_name, rename
from lseg_cli.model.text.encoder_name import EncoderName

ORIGIN_KEY = METADATA_PREFIX + "origin"  # in a converted model: the checkpoint's name, hash, variant and envelope
VISUAL = CLIP + "visual."
_NOT_TOWER = (VISUAL, CLIP + "logit_scale")


class Variant(NamedTuple):
    """An image encoder of the original, by a tensor that only it has."""

    name: str
    key: str
    shape: tuple[int, ...]
    preset: ModelConfig


VARIANTS = [
    Variant(
        "clip_vitl16_384", "net.pretrained.model.patch_embed.proj.weight", (1024, 3, 16, 16), PRESETS["lseg-vitl16"]
    ),
    Variant(
        "clip_vitb32_384", "net.pretrained.model.patch_embed.proj.weight", (768, 3, 32, 32), PRESETS["lseg-vitb32"]
    ),
    Variant("clip_resnet101", "net.pretrained.layer1.0.weight", (64, 3, 7, 7), PRESETS["lseg-rn101"]),
]
# Text towers by the first convolution of the image tower beside them, and by width where that is not in the file.
TOWERS: dict[tuple[int, ...], str] = {
    (768, 3, 32, 32): "ViT-B-32-quickgelu",
    (768, 3, 16, 16): "ViT-B-16-quickgelu",
    (40, 3, 3, 3): "RN50x4-quickgelu",
    (48, 3, 3, 3): "RN50x16-quickgelu",
}
TOWERS_BY_WIDTH = {512: "ViT-B-32-quickgelu", 640: "RN50x4-quickgelu", 768: "RN50x16-quickgelu"}


@dataclass(frozen=True)
class ConvertOptions:
    """The choices that a checkpoint leaves open.

    Attributes:
        block: kind of the regulariser: bottleneck, depthwise or none; None: none is expected.
        block_depth: how often it is applied.
        activation: between its applications: lrelu, tanh or relu.
        text_encoder: one of open_clip instead of the tower in the file.
        half: store float16.
        keep_dead: keep the tensors that nothing uses.
        name: of the model; '' for that of its architecture.
    """

    block: str | None = None
    block_depth: int | None = None
    activation: str = "lrelu"
    text_encoder: EncoderName | None = None
    half: bool = False
    keep_dead: bool = False
    name: str = ""


@dataclass(frozen=True)
class Conversion:
    """A model that is ready to be written, and what became of every key.

    Attributes:
        variant: the original's name of it.
        config: of the model.
        tensors: of the file.
        metadata: of the file.
        used: keys of the checkpoint whose tensors are in the model.
        dead: keys of tensors that nothing uses.
        left_out: parts of the envelope that are not a model, such as `optimizer_states`.
    """

    variant: str
    config: ModelConfig
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    used: tuple[str, ...]
    dead: tuple[str, ...]
    left_out: tuple[str, ...]


def convert(checkpoint: Checkpoint, options: ConvertOptions) -> Conversion:
    """Recognises a checkpoint and brings it into our form.

    Raises:
        LsegError: the regulariser's kind or depth is needed and not given.
        MismatchError: it is not one of the original project's variants; or a tensor is unexpected, missing or of
            another shape; or an option contradicts the file.
    """
    state = checkpoint.state
    variant = _recognise(checkpoint)
    regularizer = _regularizer(checkpoint, options)
    text, tower = _text(checkpoint, options)
    full_name = _full_name(variant, text)
    origin = f"{checkpoint.path.name} of lang-seg ({full_name}), sha256 {checkpoint.sha256}"
    name = options.name or _preset_name(variant, text)
    config = variant.preset.model_copy(
        update={"name": name, "regularizer": regularizer, "text": text, "origin": origin}
    )
    renamed = {key: rename(key) for key in state}
    if regularizer.kind == "none":
        renamed |= {key: "" for key in state if key.startswith(BLOCK)}
    ours = {name: state[key] for key, name in renamed.items() if name}
    _check(checkpoint.path, config, ours, [key for key, name in renamed.items() if name is None])
    if options.half:
        ours = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in ours.items()}
    dead = tuple(key for key, name in renamed.items() if name == "" and TOWER + key.removeprefix(CLIP) not in tower)
    unused = set(dead)
    kept = {KEPT + key: state[key] for key in dead} if options.keep_dead else {}
    source = {"file": checkpoint.path.name, "sha256": checkpoint.sha256, "variant": full_name}
    metadata = {CONFIG_KEY: config.model_dump_json(), ORIGIN_KEY: json.dumps(source | {"envelope": checkpoint.facts})}
    metadata |= {TOWER_KEY: text.sha256} if tower else {}
    return Conversion(
        variant=full_name,
        config=config,
        tensors={name: tensor.contiguous() for name, tensor in (ours | tower | kept).items()},
        metadata=metadata,
        used=tuple(key for key in state if key not in unused),
        dead=dead,
        left_out=checkpoint.left_out,
    )


def write_model(conversion: Conversion, path: Path) -> None:
    """Writes the model's file; it appears whole or not at all.

    Raises:
        LsegError: it cannot be written, or the disk is full.
    """
    write_tensors(conversion.tensors, conversion.metadata, path)


def _recognise(checkpoint: Checkpoint) -> Variant:
    state = checkpoint.state
    for variant in VARIANTS:
        if variant.key in state and tuple(state[variant.key].shape) == variant.shape:
            return variant
    known = ", ".join(variant.name for variant in VARIANTS)
    if any(rename(key) for key in state):
        raise MismatchError(f"{checkpoint.path} has an image encoder that is not known; known are {known}.")
    raise MismatchError(
        f"{checkpoint.path} is a checkpoint of another project: its tensors are called {next(iter(state))!r} and so "
        f"on, those of lang-seg net.pretrained.*, net.scratch.* and net.clip_pretrained.*."
    )


def _full_name(variant: Variant, text: TextConfig) -> str:
    """The original writes a larger text tower into the name: `clipRN50x16_vitl16_384`."""
    tower = text.name.removesuffix("-quickgelu")
    return variant.name.replace("clip_", f"clip{tower}_", 1) if tower.startswith("RN50x") else variant.name


def _preset_name(variant: Variant, text: TextConfig) -> str:
    """Ours of this encoder and text tower; else that of the encoder."""
    fitting = (
        name
        for name, preset in PRESETS.items()
        if preset.encoder == variant.preset.encoder and preset.text.name == text.name
    )
    return next(fitting, variant.preset.name)


def _regularizer(checkpoint: Checkpoint, options: ConvertOptions) -> RegularizerConfig:
    has_block = any(key.startswith(BLOCK) for key in checkpoint.state)
    wants_block = options.block not in (None, "none")
    if has_block and (options.block is None or (wants_block and options.block_depth is None)):
        raise LsegError(
            f"{checkpoint.path} has a spatial regulariser, but not which: say as it was trained --block bottleneck "
            "(their arch_option 1) or depthwise (2), with --block-depth N; or --block none to do without."
        )
    if wants_block and not has_block:
        raise MismatchError(f"{checkpoint.path} has no spatial regulariser; leave --block {options.block} out.")
    if not wants_block:
        return RegularizerConfig()
    fields = {"kind": options.block, "depth": options.block_depth, "activation": options.activation}
    try:
        regularizer = RegularizerConfig.model_validate(fields)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise LsegError(
            f"The regulariser's {field} cannot be {fields[field]!r}: {error.errors()[0]['msg']}."
        ) from error
    if not regularizer.depth:
        raise LsegError("The regulariser's depth must be at least 1; the original applies it once where it says 0.")
    return regularizer


def _text(checkpoint: Checkpoint, options: ConvertOptions) -> tuple[TextConfig, dict[str, Tensor]]:
    """The text encoder, and its tensors for the model's file if the checkpoint brings them."""
    state = checkpoint.state
    head = state.get("net.scratch.head1.weight")
    if head is None:
        raise MismatchError(f"{checkpoint.path} is incomplete: it has no net.scratch.head1.weight.")
    width = int(head.shape[0])
    if options.text_encoder:
        return _other_encoder(options.text_encoder, width), {}
    tower = {key.removeprefix(CLIP): state[key] for key in state if key.startswith(CLIP)}
    tower = {name: tensor for name, tensor in tower.items() if not (CLIP + name).startswith(_NOT_TOWER)}
    convolution = state.get(VISUAL + "conv1.weight")
    name = TOWERS_BY_WIDTH.get(width) if convolution is None else TOWERS.get(tuple(convolution.shape))
    if name is None:
        raise MismatchError(f"{checkpoint.path} has a CLIP model that is not known; name it with --text-encoder.")
    config = TextConfig(kind="open_clip", name=name, pretrained="openai", width=width)
    if not tower:
        return config, {}
    from lseg_cli.model.text.clip import tower_sha256  # noqa: PLC0415  not needed for a checkpoint without a tower

    projection = tower.get("text_projection")
    if projection is None or projection.shape[1] != width:
        raise MismatchError(f"{checkpoint.path} has a CLIP model whose text does not end in the {width} of its pixels.")
    named = config.model_copy(update={"sha256": tower_sha256(tower, quick_gelu=True)})  # as all CLIP of OpenAI's
    return named, {TOWER + name: tensor for name, tensor in tower.items()}


def _other_encoder(encoder: EncoderName, width: int) -> TextConfig:
    """Return the configuration of a text encoder of open_clip.

    Raises:
        LsegError: open_clip knows no such model.
        MismatchError: its embedding has another width.
    """
    from lseg_cli.model.text.clip_files import architecture  # noqa: PLC0415  imports open_clip: seconds

    found = int(architecture(encoder.name)["embed_dim"])
    if found != width:
        raise MismatchError(
            f"The text encoder {encoder.name} is {found} wide, the checkpoint's pixels {width}; take another."
        )
    default = "" if encoder.is_place else "openai"
    return TextConfig(kind="open_clip", name=encoder.name, pretrained=encoder.weights or default, width=width)


def _check(path: Path, config: ModelConfig, ours: Mapping[str, Tensor], unexpected: list[str]) -> None:
    """Every tensor has its place, and every place its tensor.

    Raises:
        MismatchError: an unexpected key.
        DataError: a tensor is missing or has another shape.
    """
    with torch.device("meta"):
        wanted = {name: tensor.shape for name, tensor in build(config).state_dict().items()}
    unexpected += [original_name(name) or name for name in ours if name not in wanted]
    if unexpected:
        raise MismatchError(
            f"{path} holds {len(unexpected)} unexpected tensors, such as {', '.join(unexpected[:3])}: it is none of "
            "the original project's checkpoints."
        )
    counts = "num_batches_tracked"
    wrong = [name for name, shape in wanted.items() if not name.endswith(counts) and name not in ours]
    wrong += [name for name, tensor in ours.items() if tensor.shape != wanted[name]]
    if wrong:
        raise DataError(
            f"{path} is incomplete: {len(wrong)} tensors are missing or of another shape, such as "
            f"{original_name(wrong[0])}."
        )
