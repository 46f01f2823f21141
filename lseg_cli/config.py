"""What a model is, as data: frozen, checked, JSON in and out; and the named presets.

Everything that must match the weights travels in here: architecture, normalisation, size, prompt template, encoder.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lseg_cli.errors import LsegError

SIZE_MULTIPLE = 32  # the deepest level has stride 32 and must land on whole cells
MAX_WIDTH = 65_536  # of any vector: far above what there is, far below what no machine can hold
MAX_SIDE_PX = 65_536
TEMPERATURE = 0.07  # section 3 of the paper: a constant, never trained


class Frozen(BaseModel):
    """Immutable, and no key passes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]


class TextConfig(Frozen):
    """Which text encoder gives the labels their embeddings."""

    kind: Literal["open_clip", "words", "learned"]  # learned: no encoder; the class vectors of one training
    name: str  # an open_clip architecture, such as 'ViT-B-32-quickgelu', or the word table's name
    pretrained: str = ""  # an open_clip tag, such as 'openai'
    width: int = Field(ge=1, le=MAX_WIDTH)  # C
    templates: tuple[str, ...] = Field(("{}",), max_length=1_000)  # the paper embeds the bare word
    sha256: str = ""  # of the encoder's weights, once known
    weights: str = Field("", exclude=True)  # a file with them: the model's own if it brings them. Never written down
    home: str = Field("", exclude=True)  # folder of the file that names this encoder; '': the user, or this tool, does

    def found_in(self, path: Path) -> "TextConfig":
        """This encoder as a file names it: what lies elsewhere, or on the hub, is not for the file to say."""
        return self.model_copy(update={"weights": "", "home": str(path.absolute().parent)})

    def __eq__(self, other: object) -> bool:
        """Who names an encoder is no part of what it is."""
        return isinstance(other, TextConfig) and self._facts() == other._facts()

    def __hash__(self) -> int:
        """As equality has it."""
        return hash(self._facts())

    def _facts(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in type(self).model_fields if name != "home")


class ImageConfig(Frozen):
    """How a picture becomes the encoder's input."""

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[Positive, Positive, Positive] = (0.5, 0.5, 0.5)
    long_side_px: int = Field(480, ge=SIZE_MULTIPLE, le=MAX_SIDE_PX)
    resize: Literal["bilinear, antialiased"] = "bilinear, antialiased"  # as Pillow does it, and torchvision


class EncoderConfig(Frozen):
    """The image encoder: a plain ViT tapped at four blocks, or a convolutional pyramid; names are timm's."""

    kind: Literal["vit", "pyramid"]
    name: str = Field(pattern=r"^[A-Za-z0-9_]{1,100}(\.[A-Za-z0-9_]{1,100})?$")  # so neither a path nor of the hub
    taps: tuple[int, int, int, int]  # ViT: 0-based blocks; pyramid: indices of timm's features at strides 4, 8, 16, 32
    channels: tuple[Width, ...] = Field((), max_length=4)  # ViT: widths of the four reassembled maps


class RegularizerConfig(Frozen):
    """Figure 3 of the paper. `depth` counts applications of the one shared kernel."""

    kind: Literal["none", "depthwise", "bottleneck"] = "none"
    depth: int = Field(0, ge=0, le=16)
    activation: Literal["lrelu", "tanh", "relu"] = "lrelu"


class ModelConfig(Frozen):
    """A whole LSeg model."""

    name: str
    encoder: EncoderConfig
    decoder_width: int = Field(256, ge=1, le=MAX_WIDTH)  # of DPT's decoder
    # If given, a `ReadoutDecoder`: a width for each of the strides 4, 8, 16, 32.
    decoder_widths: tuple[Width, ...] = ()
    regularizer: RegularizerConfig = RegularizerConfig()
    text: TextConfig
    image: ImageConfig = ImageConfig()
    origin: str = ""  # how the weights came about, for `lseg info`

    def found_in(self, path: Path) -> "ModelConfig":
        """This model as a file describes it; see `TextConfig.found_in`."""
        return self.model_copy(update={"text": self.text.found_in(path)})


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
            encoder=EncoderConfig(kind="pyramid", name="tf_efficientnet_lite2", taps=(1, 2, 3, 4)),
            decoder_widths=(48, 96, 160, 256),
            text=TextConfig(kind="words", name="words", width=192),
        ),
    )
}


def preset(name: str) -> ModelConfig:
    """The preset of a name.

    Raises:
        LsegError: there is no such preset.
    """
    if name not in PRESETS:
        raise LsegError(f"There is no preset '{name}'; there are {', '.join(PRESETS)}.")
    return PRESETS[name]


class _OfTraining(Frozen):
    """Whose checks are built at first use: who segments waits for none of them."""

    model_config = ConfigDict(defer_build=True)


class DataRef(_OfTraining):
    """One data set of a mix."""

    path: str  # of a dataset.yaml, or a known set's name such as ade20k; environment variables are expanded
    root: str = ""  # of a known set: the folder that it lies in
    fold: int | None = None  # of pascal5i and coco20i: whose classes are held out
    lists: str = ""  # of pascal5i, coco20i, fss1000: folder of HSNet's split lists, if not under the root
    split: str = "train"
    weight: float = Field(1.0, gt=0)  # share of the batches, relative to the other sets
    unseen: tuple[str, ...] = ()  # classes of the set that training must not see; validation keeps them
    unseen_pixels: Literal["error", "ignore", "skip"] = "error"  # ignore: count in no loss; skip: the whole picture


class AugmentConfig(_OfTraining):
    """The paper's recipe by default: long side 520 scaled by 0.5 to 2, a crop of 480, mirrored half of the time."""

    base_px: int = Field(520, ge=SIZE_MULTIPLE)
    scale: tuple[float, float] = (0.5, 2.0)
    crop_px: int = Field(480, ge=SIZE_MULTIPLE, multiple_of=SIZE_MULTIPLE)
    mirror: float = Field(0.5, ge=0, le=1)
    jitter: float = Field(0.0, ge=0, le=1)  # of brightness, contrast and saturation


class LabelConfig(_OfTraining):
    """What is done to a data set's labels so that a model learns language and not eleven fixed vectors."""

    max_labels: int = Field(256, ge=2)  # of one step: the labels present in the batch first
    subset: float = Field(0.0, ge=0, le=1)  # probability of a random part of the label set instead of all
    other: float = Field(0.0, ge=0, le=1)  # probability that the label 'other' stands for every pixel without a label
    other_label: str = Field("other", min_length=1)  # the word for it; the paper's zero-shot models say 'others'
    paraphrase: float = Field(0.0, ge=0, le=1)  # probability that a label is said in other words
    synonyms: str = (
        ""  # a YAML file, label: [other words]; labels without a line there take the word table's neighbours
    )
    noise: float = Field(0.0, ge=0)  # length of a random vector added to the unit embedding of a label
    negatives: int = Field(0, ge=0)  # labels of other things, absent from the data set
    held_out: str = ""  # a YAML file whose strings are never used as paraphrases or negatives


class OptimizerConfig(_OfTraining):
    """Section 4 of the paper by default."""

    name: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(
        0.0015, gt=0
    )  # of the encoder's backbone; the paper's 0.004 / 16 x 6 pictures a device
    head_factor: float = Field(10.0, gt=0)  # decoder, reassembly and regulariser relative to the backbone
    momentum: float = 0.9
    weight_decay: float = Field(1e-4, ge=0)
    power: float = 0.9  # of the polynomial decay
    decay_per: Literal["step", "epoch"] = "step"
    warmup_steps: int = Field(0, ge=0)
    clip_norm: float = Field(0.0, ge=0)  # 0: off


class TrainConfig(_OfTraining):
    """A whole training run; a recipe is this as YAML."""

    model: str | ModelConfig = "lseg-tiny"  # a preset's name, or a model spelled out
    start: str = ""  # the .safetensors model whose weights training begins with; '': a random decoder
    keep: float = Field(
        0.0, ge=0
    )  # weight of 1 - cosine to the pixel embeddings of `start`, so that it keeps its words
    freeze: Literal["none", "encoder"] = "none"  # what is not trained; the text encoder never is
    keep_statistics: bool = False  # BatchNorm's stay those of the start: a few crops a step would spoil them
    encoder_weights: str = ""  # '': random; 'timm': timm's, from the hub; else a .safetensors under timm's names
    data: tuple[DataRef, ...] = Field(min_length=1)
    validation: DataRef | None = None
    epochs: int = Field(1, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)  # None: as many as show every picture of the first set once
    batch_size: int = Field(6, ge=1)  # per device
    accumulate: int = Field(1, ge=1)
    checkpointing: bool = False  # a ViT's blocks run twice: less memory for more time
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    workers: int = Field(2, ge=0)
    seed: int = 0
    loss_stride: Literal[1, 2] = 1  # 2: the loss is taken at half resolution, before the last upsampling
    classifier: Literal["text", "learned"] = "text"  # learned: class vectors are trained; the closed-set baseline
    balance: float = Field(0.0, ge=0, le=1)  # 0: every pixel counts the same; 1: every class does
    alignment: float = Field(0.0, ge=0)  # weight of 1 - cosine to the right label, beside the cross-entropy
    validate_every: int = Field(1, ge=1)  # epochs
    patience: int = Field(0, ge=0)  # validations without a better mIoU after which training ends; 0: never
    average: float = Field(0.0, ge=0, lt=1)  # decay of a moving average of the weights, which is what is saved; 0: off
    tensorboard: bool = False  # event files beside the curves
    augment: AugmentConfig = AugmentConfig()
    labels: LabelConfig = LabelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()

    @model_validator(mode="after")
    def _keeping_needs_a_start(self) -> "TrainConfig":
        if self.keep and not self.start:
            raise ValueError("keep says how near to stay to the model of `start`, and there is none")
        if self.start and self.encoder_weights:
            raise ValueError("encoder_weights and start are two beginnings; take one of them")
        if self.patience and not self.validation:
            raise ValueError("patience needs a validation set")
        return self

    def model_config_of(self) -> ModelConfig:
        """The model to train: `model` itself, or the preset it names.

        Raises:
            LsegError: there is no such preset.
        """
        if isinstance(self.model, ModelConfig):
            return self.model
        return preset(self.model)
