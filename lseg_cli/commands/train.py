"""`lseg train`: a recipe, or flags, or both -> a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lseg_cli import engine_choice
from lseg_cli.commands import options
from lseg_cli.commands.interrupt import interruptible
from lseg_cli.console.terminal import Console
from lseg_cli.console.training import show_training, show_trial

if TYPE_CHECKING:
    from lseg_cli.config import TrainConfig
    from lseg_cli.training.loop import MakeEngine, Trainer
    from lseg_cli.training.vocabulary import Embed

Config = Annotated[Path | None, options.option("--config", metavar="FILE", help="A recipe (YAML); flags win over it.")]
Data = Annotated[
    list[str] | None,
    options.option(
        "--data",
        metavar="DATA",
        help="What to train on: dataset.yaml[:SPLIT], or NAME:ROOT[:SPLIT] such as ade20k:/data. Repeat to mix.",
    ),
]
Validation = Annotated[
    str | None,
    options.option("--val", metavar="DATA", help="What to validate on, said in the same way."),
]
Model = Annotated[str | None, options.option("-m", "--model", metavar="PRESET", help="Such as lseg-tiny.")]
EncoderWeights = Annotated[
    str | None,
    options.option(
        metavar="FILE",
        help="Where the encoder starts: timm (ImageNet, from the hub) or a .safetensors of timm's. Default: random.",
    ),
]
Out = Annotated[Path, options.option("-o", "--out", metavar="FOLDER", help="Folder of the run.")]
Epochs = Annotated[int | None, options.option(metavar="N", help="Epochs.")]
Batch = Annotated[int | None, options.option("-b", "--batch", metavar="N", help="Pictures per device and step.")]
Rate = Annotated[float | None, options.option("--lr", metavar="RATE", help="Learning rate of the backbone.")]
Crop = Annotated[int | None, options.option("--imgsz", metavar="N", help="Side of the training crop in pixels.")]
Seed = Annotated[int | None, options.option(metavar="N", help="Of everything random.")]
Workers = Annotated[int | None, options.option("-j", "--workers", metavar="N", help="Processes that read pictures.")]
Device = Annotated[
    Literal["auto", "cpu"] | None, options.option("-d", "--device", metavar="DEVICE", help="auto or cpu.")
]
Precision = Annotated[engine_choice.Precision | None, options.option(metavar="KIND", help="fp32, fp16 or bf16.")]
Classifier = Annotated[
    Literal["text", "learned"] | None,
    options.option(metavar="KIND", help="text, or learned: trained class vectors, the closed-set baseline."),
]
Settings = Annotated[
    list[str] | None,
    options.option(
        "--set",
        metavar="KEY=VALUE",
        help="Any key of a recipe, such as accumulate=2 or optimizer.momentum=0.5. Repeat for more.",
    ),
]
DryRun = Annotated[
    bool,
    options.option(
        "--dry-run",
        help="Build everything, make two steps, tell memory and time of a run; write nothing.",
    ),
]
Resume = Annotated[bool, options.option("--resume", help="Go on with the run in --out, exactly where it stopped.")]


def parts_of(recipe: "TrainConfig") -> "tuple[Embed, MakeEngine]":
    """What a trainer embeds text with, the model's own encoder, and what it validates on, the PyTorch engine."""
    from lseg_cli.model.text.cache import EmbeddingCache
    from lseg_cli.model.text.labels import embed_labels
    from lseg_engines.torch_engine import TorchEngine

    text, cache = recipe.model_config_of().text, EmbeddingCache()
    return (
        lambda texts: embed_labels([[each] for each in texts], text, cache)[0],
        lambda model: TorchEngine(model, sha256="", device=recipe.device),
    )


def open_trainer(recipe: "TrainConfig", out: Path, resume: bool) -> "Trainer":
    """A trainer for a run folder."""
    from lseg_cli.training.loop import Trainer

    return Trainer(recipe, out, *parts_of(recipe), resume=resume)


def train(  # noqa: PLR0913  an option is a parameter
    *,
    config: Config = None,
    data: Data = None,
    val: Validation = None,
    model: Model = None,
    encoder_weights: EncoderWeights = None,
    out: Out = Path("runs/train"),
    epochs: Epochs = None,
    batch: Batch = None,
    lr: Rate = None,
    imgsz: Crop = None,
    seed: Seed = None,
    workers: Workers = None,
    device: Device = None,
    precision: Precision = None,
    classifier: Classifier = None,
    settings: Settings = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train a model on folders of pictures and masks, each data set with its own labels."""
    from lseg_cli.data.references import parse_data  # noqa: PLC0415  numpy
    from lseg_cli.training.processes import is_main_process, leave_processes
    from lseg_cli.training.recipe import load_recipe, parse_settings

    flags = {
        "data": [parse_data(text, "train") for text in data] if data else None,
        "validation": parse_data(val, "val") if val else None,
        "model": model,
        "encoder_weights": encoder_weights,
        "epochs": epochs,
        "batch_size": batch,
        "optimizer.learning_rate": lr,
        "augment.crop_px": imgsz,
        "seed": seed,
        "workers": workers,
        "device": device,
        "precision": precision,
        "classifier": classifier,
        **parse_settings(settings or ()),
    }
    recipe, is_main = load_recipe(config, flags), is_main_process()
    console = Console(quiet or not is_main, verbose, json and is_main)
    if dry_run:
        from lseg_cli.training.trial import try_out

        trial = try_out(recipe, *parts_of(recipe))
        leave_processes()
        if is_main:
            show_trial(trial, json, console)
        return
    with interruptible() as interrupt:
        finished = show_training(open_trainer(recipe, out, resume).run(interrupt), console, out)
    leave_processes()
    if not finished:
        raise typer.Exit(interrupt.exit_code)
