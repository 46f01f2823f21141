"""`lseg train`: a recipe, or flags, or both -> a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.commands.interrupt import interruptible
from lseg_cli.console import Console, show_training

if TYPE_CHECKING:
    from lseg_cli.config import TrainConfig
    from lseg_cli.training.loop import Trainer

Config = Annotated[
    Path | None, typer.Option("--config", help="A recipe (YAML); flags win over it.", show_default=False)
]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", help="A dataset.yaml to train on, PATH or PATH:SPLIT; may be repeated.", show_default=False),
]
Validation = Annotated[
    str | None, typer.Option("--val", help="A dataset.yaml to validate on, PATH or PATH:SPLIT.", show_default=False)
]
Model = Annotated[str | None, typer.Option("--model", "-m", help="A preset's name.", show_default=False)]
EncoderWeights = Annotated[
    str | None,
    typer.Option(help="The encoder's start: 'timm' (from the hub), a .safetensors of timm's, or '' for random."),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")]
Epochs = Annotated[int | None, typer.Option(help="Epochs.", show_default=False)]
Batch = Annotated[int | None, typer.Option("--batch", "-b", help="Pictures per device and step.", show_default=False)]
Rate = Annotated[float | None, typer.Option("--lr", help="Learning rate of the backbone.", show_default=False)]
Crop = Annotated[int | None, typer.Option("--imgsz", help="Side of the training crop in pixels.", show_default=False)]
Seed = Annotated[int | None, typer.Option(help="Of everything random.", show_default=False)]
Workers = Annotated[int | None, typer.Option("--workers", "-j", help="Processes that read.", show_default=False)]
Device = Annotated[str | None, typer.Option("--device", "-d", help="auto or cpu.", show_default=False)]
Precision = Annotated[str | None, typer.Option(help="fp32, fp16 or bf16.", show_default=False)]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, exactly where it stopped.")]


def open_trainer(recipe: "TrainConfig", out: Path, resume: bool) -> "Trainer":
    """A trainer that validates on the PyTorch engine and embeds text with the model's own encoder."""
    from lseg_cli.model.embedding_cache import EmbeddingCache
    from lseg_cli.model.text import embed_labels
    from lseg_cli.training.loop import Trainer
    from lseg_engines.torch_engine import TorchEngine

    text, cache = recipe.model_config_of().text, EmbeddingCache()
    return Trainer(
        recipe,
        out,
        embed=lambda texts: embed_labels([[each] for each in texts], text, cache)[0],
        make_engine=lambda model: TorchEngine(model, sha256="", device=recipe.device),
        resume=resume,
    )


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
    resume: Resume = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train a model on folders of pictures and masks, each data set with its own labels."""
    from lseg_cli.training.recipe import load_recipe, parse_data

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
    }
    with interruptible() as interrupt:
        trainer = open_trainer(load_recipe(config, flags), out, resume)
        finished = show_training(trainer.run(interrupt), Console(quiet, verbose, json), out)
    if not finished:
        raise typer.Exit(interrupt.exit_code)
