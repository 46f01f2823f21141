"""What a model is, as data: frozen, checked, JSON in and out; and the named presets.

Everything that must match the weights travels in here: architecture, normalisation, size, prompt template, text encoder.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SIZE_MULTIPLE = 32  # the deepest level has stride 32 and must land on whole cells
TEMPERATURE = 0.07  # section 3 of the paper: a constant, never trained


class Frozen(BaseModel):
    """Immutable, and no key passes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TextConfig(Frozen):
    """Which text encoder gives the labels their embeddings."""

    kind: Literal["open_clip", "words"]
    name: str  # an open_clip architecture, such as 'ViT-B-32-quickgelu', or the word table's name
    pretrained: str = ""  # an open_clip tag, such as 'openai'
    width: int  # C
    templates: tuple[str, ...] = ("{}",)  # the paper embeds the bare word
    sha256: str = ""  # of the encoder's weights, once known


class ImageConfig(Frozen):
    """How a picture becomes the encoder's input."""

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    long_side_px: int = Field(480, ge=SIZE_MULTIPLE)


class EncoderConfig(Frozen):
    """The image encoder: a plain ViT tapped at four blocks, or a convolutional pyramid; names are timm's."""

    kind: Literal["vit", "pyramid"]
    name: str
    taps: tuple[int, int, int, int]  # ViT: 0-based blocks; pyramid: indices of timm's features at strides 4, 8, 16, 32
    channels: tuple[int, ...] = ()  # ViT: widths of the four reassembled maps


class RegularizerConfig(Frozen):
    """Figure 3 of the paper. `depth` counts applications of the one shared kernel."""

    kind: Literal["none", "depthwise", "bottleneck"] = "none"
    depth: int = Field(0, ge=0, le=16)
    activation: Literal["lrelu", "tanh", "relu"] = "lrelu"


class ModelConfig(Frozen):
    """A whole LSeg model."""

    name: str
    encoder: EncoderConfig
    decoder_width: int = 256
    regularizer: RegularizerConfig = RegularizerConfig()
    text: TextConfig
    image: ImageConfig = ImageConfig()
    origin: str = ""  # how the weights came about, for `lseg info`


_CLIP_B32 = TextConfig(kind="open_clip", name="ViT-B-32-quickgelu", pretrained="openai", width=512)
_VIT_L16 = EncoderConfig(
    kind="vit", name="vit_large_patch16_384", taps=(5, 11, 17, 23), channels=(256, 512, 1024, 1024)
)

PRESETS = {
    config.name: config
    for config in (
        ModelConfig(name="lseg-vitl16", encoder=_VIT_L16, text=_CLIP_B32),
        ModelConfig(
            name="lseg-vitl16-rn50x16",
            encoder=_VIT_L16,
            text=TextConfig(kind="open_clip", name="RN50x16-quickgelu", pretrained="openai", width=768),
        ),
        ModelConfig(
            name="lseg-vitb32",
            encoder=EncoderConfig(
                kind="vit", name="vit_base_patch32_384", taps=(2, 5, 8, 11), channels=(96, 192, 384, 768)
            ),
            text=_CLIP_B32,
        ),
        ModelConfig(
            name="lseg-rn101",
            encoder=EncoderConfig(kind="pyramid", name="resnet101", taps=(1, 2, 3, 4)),
            text=_CLIP_B32,
            image=ImageConfig(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        ),
        ModelConfig(
            name="lseg-tiny",
            encoder=EncoderConfig(kind="pyramid", name="tf_efficientnet_lite0", taps=(1, 2, 3, 4)),
            decoder_width=64,
            regularizer=RegularizerConfig(kind="bottleneck", depth=2),
            text=TextConfig(kind="words", name="words", width=192),
        ),
    )
}
