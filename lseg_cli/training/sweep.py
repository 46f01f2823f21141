"""Sweeps: a grid of trainings, variants of one recipe times seeds, each an ordinary run folder of `lseg train`.

recipe: {model: lseg-tiny, model.image.long_side_px: 320, data: …, epochs: 7}     # or the path of a recipe
variants:
  none: {model.regularizer: {kind: none}}
  depthwise-1: {model.regularizer: {kind: depthwise, depth: 1}}
seeds: [0, 1, 2]

Keys with dots go inside: into the recipe's mappings, and into the preset that `model` names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from lseg_cli.config import Frozen, TrainConfig
from lseg_cli.errors import LsegError, MismatchError
from lseg_cli.training.recipe import Keys, compose, read_recipe
from lseg_cli.training.state import RunFolder

Name = Annotated[str, StringConstraints(pattern=r"^\w[\w.+-]*$")]  # of a folder


class SweepFile(Frozen):
    """What a sweep's file holds."""

    recipe: dict[str, Any] | str  # keys of `TrainConfig`, or a recipe's path, relative to the sweep's file
    variants: dict[Name, dict[str, Any]] = Field(min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1)


@dataclass(frozen=True)
class SweepRun:
    """One training of a sweep."""

    variant: str
    seed: int
    config: TrainConfig
    out: Path  # its run folder

    def status(self) -> Literal["new", "started", "finished"]:
        """How far it is. Finished: its state has all its steps.

        Raises:
            MismatchError: the folder holds a run of another recipe.
            DataError: what it holds is damaged.
        """
        folder = RunFolder(self.out)
        done = folder.steps_done()
        if not done:
            return "new"
        known = folder.recipe()
        if known != self.config:
            keys = [key for key in TrainConfig.model_fields if getattr(known, key) != getattr(self.config, key)]
            raise MismatchError(f"{self.out} holds a run of another recipe: it differs in {', '.join(keys)}.")
        rows = folder.rows()
        ended = rows and (int(rows[-1]["epoch"]), int(rows[-1]["step"])) == (self.config.epochs, done)
        return "finished" if ended else "started"


def read_sweep(path: Path, out: Path, settings: Keys | None = None) -> list[SweepRun]:
    """The runs of a sweep's file, seed by seed, so that a sweep that is stopped has compared what it has.

    Args:
        path: of the file.
        out: of the folder of the run folders, VARIANT/seed-K.
        settings: keys and values on top of every run's.

    Raises:
        DataError: the file or its recipe cannot be read.
        LsegError: it is not a sweep; names the key.
    """
    try:
        sweep = SweepFile.model_validate(read_recipe(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LsegError(f"The sweep {path} cannot be used: {where}: {first['msg']}.") from error
    if len(set(sweep.seeds)) < len(sweep.seeds):
        raise LsegError(f"The sweep {path} names a seed twice: {', '.join(map(str, sweep.seeds))}.")
    recipe = sweep.recipe if isinstance(sweep.recipe, dict) else read_recipe(path.parent / sweep.recipe)
    runs = [
        SweepRun(
            name,
            seed,
            _compose(path, name, [recipe, keys, settings or {}, {"seed": seed}]),
            out / name / f"seed-{seed}",
        )
        for seed in sweep.seeds
        for name, keys in sweep.variants.items()
    ]
    if any(run.config.validation is None for run in runs):
        raise LsegError(f"The sweep {path} compares figures on a validation set: name one in its recipe.")
    if len({(run.config.precision, run.config.device) for run in runs}) > 1:
        raise LsegError(f"The runs of {path} share a process: precision and device must be the same in all variants.")
    return runs


def pick(runs: Sequence[SweepRun], variants: Sequence[str]) -> list[SweepRun]:
    """The runs of these variants, or all if none is named.

    Raises:
        LsegError: there is no such variant.
    """
    known = dict.fromkeys(run.variant for run in runs)
    unknown = [name for name in variants if name not in known]
    if unknown:
        raise LsegError(f"The sweep has no variant '{unknown[0]}'; it has {', '.join(known)}.")
    return [run for run in runs if not variants or run.variant in variants]


def _compose(path: Path, variant: str, layers: list[Keys]) -> TrainConfig:
    try:
        config = compose(layers)
        config.model_config_of()
    except LsegError as error:
        raise type(error)(f"The variant {variant} of {path} cannot be used. {error}") from error
    return config
