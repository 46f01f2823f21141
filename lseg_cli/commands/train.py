"""`lseg train`: a recipe, or flags, or both -> a model."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from lseg_cli import engine_choice
from lseg_cli.commands import options
from lseg_cli.commands.carrying_out import accounted, run_labels
from lseg_cli.commands.interrupt import interruptible
from lseg_cli.commands.parsing import parse_training_device
from lseg_cli.console.events import End
from lseg_cli.console.terminal import Console
from lseg_cli.console.training import show_training, show_trial
from lseg_cli.metrics import MetricsFile
from lseg_cli.training.options import TrainOptions  # noqa: TID253  imports nothing

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
    options.option("--val", metavar="DATA", help="What to validate on, given in the same way."),
]
Model = Annotated[
    str | None,
    options.option(
        "-m",
        "--model",
        metavar="NAME|FILE",
        help="Where training begins: the bundled lseg-tiny, a pulled model, your own .safetensors; or a bare preset.",
    ),
]
FromScratch = Annotated[bool, options.option("--from-scratch", help="Only the preset's shape, with random weights.")]
Freeze = Annotated[
    Literal["none", "encoder"] | None,
    options.option(help="What is not trained beside the text encoder, which never is."),
]
EncoderWeights = Annotated[
    str | None,
    options.option(
        metavar="FILE",
        help="Where the encoder starts: timm (ImageNet, from the hub) or a .safetensors of timm's. Default: random.",
    ),
]
Out = Annotated[
    Path | None, options.option("-o", "--out", metavar="FOLDER", help="Folder of the run. Default: runs/train.")
]
Epochs = Annotated[int | None, options.option(metavar="N", help="Epochs.")]
Batch = Annotated[int | None, options.option("-b", "--batch", metavar="N", help="Pictures per device and step.")]
Rate = Annotated[float | None, options.option("--lr", metavar="RATE", help="Learning rate of the backbone.")]
Crop = Annotated[int | None, options.option("--imgsz", metavar="N", help="Side of the training crop in pixels.")]
Seed = Annotated[int | None, options.option(metavar="N", help="Random seed.")]
Workers = Annotated[int | None, options.option("-j", "--workers", metavar="N", help="Processes that read pictures.")]
Device = Annotated[
    str | None,
    options.option(
        "-d",
        "--device",
        metavar="DEVICE",
        parser=parse_training_device,
        help="auto, cpu, cuda or mps. Of several GPUs CUDA_VISIBLE_DEVICES chooses.",
    ),
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
        help="Build everything, make two steps, report memory and time of a run; write nothing.",
    ),
]
Tensorboard = Annotated[
    bool, options.option("--tensorboard", help="Write TensorBoard's event files beside the curves, to RUN/tensorboard.")
]
Resume = Annotated[
    Path | None,
    options.option(metavar="RUN", help="Resume the run in this folder exactly where it stopped; --epochs may be more."),
]


def train(  # noqa: PLR0913  an option is a parameter
    *,
    config: Config = None,
    data: Data = None,
    val: Validation = None,
    model: Model = None,
    from_scratch: FromScratch = False,
    freeze: Freeze = None,
    encoder_weights: EncoderWeights = None,
    out: Out = None,
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
    tensorboard: Tensorboard = False,
    resume: Resume = None,
    dry_run: DryRun = False,
    metrics: options.Metrics = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train a model on folders of pictures and masks, each data set with its own labels."""
    from lseg_cli.api.tasks import open_trainer, parts_of
    from lseg_cli.training.processes import is_main_process, leave_processes
    from lseg_cli.training.reports import LatestFigures
    from lseg_engines.opener import find_trainable

    wanted = TrainOptions(
        data=tuple(data or ()),
        val=val,
        config=config,
        model=model,
        from_scratch=from_scratch,
        freeze=freeze,
        encoder_weights=encoder_weights,
        out=out,
        epochs=epochs,
        batch=batch,
        lr=lr,
        imgsz=imgsz,
        seed=seed,
        workers=workers,
        device=device,
        precision=precision,
        classifier=classifier,
        settings=tuple(settings or ()),
        tensorboard=tensorboard,
        resume=resume,
    )
    is_main = is_main_process()
    console = Console(quiet or not is_main, verbose, json and is_main)
    recipe, note = wanted.recipe(find_trainable)
    if note:
        console.note(note)
    folder = wanted.folder
    if dry_run:
        from lseg_cli.training.trial import try_out

        trial = try_out(recipe, *parts_of(recipe))
        leave_processes()
        if is_main:
            show_trial(trial, json, console)
        return
    figures = LatestFigures()
    file = MetricsFile(metrics if is_main else None, run_labels("train", folder), console.notice)
    with accounted(console, file, lambda code: console.event("end", asdict(End(code)))):
        file.watch(figures.metrics)
        with interruptible() as interrupt:
            trainer = open_trainer(recipe, folder, resume is not None)
            for notice in trainer.notices:
                console.notice(notice)
            finished = show_training(figures.follow(trainer.run(interrupt)), console, folder, recipe.validation)
        leave_processes()
        if not finished:
            raise typer.Exit(interrupt.exit_code)
