"""A recipe tried out (`lseg train --dry-run`): everything is built, two steps are made, nothing is kept.

Weights that would have to be fetched are random here: memory and time are the same.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lseg_cli.bench.memory import host_peak_mib
from lseg_cli.config import TrainConfig
from lseg_cli.data.datasets import first_epoch_steps
from lseg_cli.errors import MissingError
from lseg_cli.evaluation.counting import evaluate
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.training.loop import MakeEngine, Trainer
from lseg_cli.training.reports import StepReport
from lseg_cli.training.vocabulary import Embed

_STEPS = 2  # the first is slower than the others


@dataclass(frozen=True)
class Trial:
    """What a run of the recipe would take."""

    parameters: int  # that are trained
    pictures: int  # to train on
    pictures_per_step: int  # over all devices
    steps: int  # of the whole run
    step_s: float
    validation_s: float  # of all validations, from one picture; 0 without
    host_mib: int | None  # at its peak, so far, without processes that read pictures
    device_mib: int | None  # of a GPU
    notes: tuple[str, ...]  # what was not as it will be

    @property
    def total_s(self) -> float:
        """Of the whole run."""
        return self.steps * self.step_s + self.validation_s


def try_out(config: TrainConfig, embed: Embed, make_engine: MakeEngine) -> Trial:
    """Builds and checks all that the recipe names, and makes two steps.

    Args:
        config: the recipe.
        embed: the text encoder of the model's configuration.
        make_engine: what validation runs on.

    Raises:
        LsegError: as `Trainer`, but for text encoders that are not here.
    """
    notes: list[str] = []
    # An epoch of three steps does not end within two, so nothing is validated or saved.
    quick: dict[str, object] = {"steps_per_epoch": _STEPS + 1}
    if config.encoder_weights == "timm":
        notes.append("The encoder's weights are random here; a run fetches timm's.")
        quick["encoder_weights"] = ""

    def embed_or_invent(texts: Sequence[str]) -> NDArray[np.float32]:
        try:
            return embed(texts)
        except MissingError as error:
            notes.append(f"The labels' embeddings are random here. {error}")
            rows = np.random.default_rng(0).normal(size=(len(texts), config.model_config_of().text.width))
            return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config.model_copy(update=quick), Path(folder), embed_or_invent, make_engine)
        run = trainer.run()
        times = [time.monotonic() for report in (next(run) for _ in range(_STEPS)) if isinstance(report, StepReport)]
        run.close()
    pictures_per_step = trainer.schedule.batch_size
    steps = config.epochs * (config.steps_per_epoch or first_epoch_steps(trainer.datasets, pictures_per_step))
    return Trial(
        parameters=sum(p.numel() for p in trainer.objective.parameters() if p.requires_grad),
        pictures=sum(map(len, trainer.datasets)),
        pictures_per_step=pictures_per_step,
        steps=steps,
        step_s=times[-1] - times[-2],
        validation_s=_validation_s(trainer, config),
        host_mib=host_peak_mib(),
        device_mib=torch.cuda.max_memory_reserved() // 2**20 if trainer.accelerator.device.type == "cuda" else None,
        notes=tuple(dict.fromkeys(notes)),
    )


def _validation_s(trainer: Trainer, config: TrainConfig) -> float:
    """Of all validations of a run, from that of one picture."""
    if trainer.validation is None:
        return 0.0
    pictures = trainer.validation
    first = replace(pictures, images=pictures.images[:1], masks=pictures.masks[:1])
    started = time.monotonic()
    trainer.model.eval()
    evaluate(Segmenter(trainer.make_engine(trainer.model), trainer.embed(first.prompts)), first)
    times = -(-config.epochs // config.validate_every)
    return (time.monotonic() - started) * len(pictures) * times
