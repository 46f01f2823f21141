"""What `lseg train` and `lseg_cli.train` are asked to do. Imports next to nothing: the command line reads it first."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lseg_cli.errors import LsegError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lseg_cli.config import TrainConfig

DEFAULT_OUT = Path("runs/train")
TRAINING_DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """A training run; None means: as the recipe, the model or `TrainConfig` says.

    Attributes:
        data: what to train on: dataset.yaml[:SPLIT], or NAME:ROOT[:SPLIT] such as ade20k:/data; several make a mix.
        val: what to validate on, in the same form.
        config: a recipe (YAML); the other options win over it.
        model: a preset, or a model to begin with.
        from_scratch: take the preset's shape alone, not its weights.
        freeze: what is not trained.
        encoder_weights: where the encoder begins: timm, or a .safetensors file of timm's.
        out: folder of the run; None: runs/train.
        epochs: how often the first data set is shown.
        batch: pictures per device and step.
        lr: learning rate of the backbone.
        imgsz: side of the training crop in px.
        seed: random seed.
        workers: processes that read pictures.
        device: auto, cpu, cuda or mps.
        precision: fp32, fp16 or bf16.
        classifier: text, or learned.
        settings: any key of a recipe, as KEY=VALUE.
        tensorboard: write TensorBoard's event files too.
        resume: the folder of a run to go on with.
    """

    data: tuple[str, ...] = ()
    val: str | None = None
    config: Path | None = None
    model: str | None = None
    from_scratch: bool = False
    freeze: str | None = None
    encoder_weights: str | None = None
    out: str | Path | None = None
    epochs: int | None = None
    batch: int | None = None
    lr: float | None = None
    imgsz: int | None = None
    seed: int | None = None
    workers: int | None = None
    device: str | None = None
    precision: str | None = None
    classifier: str | None = None
    settings: tuple[str, ...] = ()
    tensorboard: bool = False
    resume: Path | None = None

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.resume or (DEFAULT_OUT if self.out is None else Path(self.out))

    def recipe(self, find_model: "Callable[[str], Path]") -> "tuple[TrainConfig, str]":
        """Return the whole recipe, and a sentence that says where training begins, or ''.

        Args:
            find_model: a model's name or path -> its .safetensors file.

        Raises:
            LsegError: options that cannot be combined; or as `begin` and `load_recipe`.
            DataError: there is no run to resume.
        """
        from lseg_cli.training.beginning import begin, resumed_recipe
        from lseg_cli.training.recipe import load_recipe

        if self.resume is None:
            base, note = begin(self.config, self.model, self.from_scratch, find_model)
            return load_recipe(self.config, self._keys(), base), note
        if self.config or self.model or (self.out and Path(self.out) != self.resume):
            raise LsegError("--resume RUN takes recipe, model and folder from the run: omit --config, --model, --out.")
        return resumed_recipe(self.resume, self._keys()), ""

    def _keys(self) -> dict[str, Any]:
        """Keys of a recipe; None where not given."""
        from lseg_cli.data.references import parse_data
        from lseg_cli.training.recipe import parse_settings

        return {
            "data": [parse_data(text, "train") for text in self.data] or None,
            "validation": parse_data(self.val, "val") if self.val else None,
            "freeze": self.freeze,
            "encoder_weights": self.encoder_weights,
            "epochs": self.epochs,
            "batch_size": self.batch,
            "optimizer.learning_rate": self.lr,
            "augment.crop_px": self.imgsz,
            "seed": self.seed,
            "workers": self.workers,
            "device": self.device,
            "precision": self.precision,
            "classifier": self.classifier,
            "tensorboard": self.tensorboard or None,
            **parse_settings(self.settings),
        }
