"""A training run on disk: all that is needed to go on as if nothing had happened, in one atomic file.

OUT/state.safetensors          weights (float32), optimiser, step: the only file that resuming reads
OUT/weights/last.safetensors   the model after the last epoch, ready for `lseg segment -m`
OUT/weights/best.safetensors   the model with the best mIoU
OUT/weights/….vocab.safetensors  beside each, if the class vectors are learned: these
OUT/results.csv                a line per epoch
OUT/classes.csv                a line per class and validated epoch
OUT/config.json                the recipe as it ran

What else is there to look at is written by `lseg_cli.training.record`.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from lseg_cli.config import TrainConfig
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.files import atomic, read_regular
from lseg_cli.model.checkpoint import load_weights, read_tensors, write_tensors
from lseg_cli.model.lseg import LSeg
from lseg_cli.reading import MOST_YAML_BYTES, parse_json, read_text, reading
from lseg_cli.training.average import averaged
from lseg_cli.training.classifier import ClassVectors, save_trained

_MODEL, _CLASSES, _OPTIMIZER, _AVERAGE = "model/", "classes/", "optimizer/", "average/"
_META = "lseg.training"


@dataclass(frozen=True)
class _Meta:
    """What a state says of itself."""

    step: int
    best_miou: float
    processes: int


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path, processes: int = 1, is_main: bool = True, start: str = "") -> None:
        """Names the folder, which need not exist.

        Args:
            path: of the run.
            processes: that share the run.
            is_main: of several processes the one that writes.
            start: the model's file that the run began with; a text encoder in it goes into what is saved.
        """
        self._tower_of = Path(start) if start else None
        self.path = path
        self.processes = processes
        self._lock = FileLock(path / ".lock", thread_local=False) if is_main else None
        self.state_file = path / "state.safetensors"
        self.last = path / "weights" / "last.safetensors"
        self.best = path / "weights" / "best.safetensors"
        self.results = path / "results.csv"
        self.classes = path / "classes.csv"
        self.recipe_file = path / "config.json"

    def start(self, config: TrainConfig, resume: bool) -> None:
        """Makes the folder and writes the recipe, or checks that they are there; keeps others out until `leave`.

        Raises:
            LsegError: the folder holds a run, and it is not to be resumed; another process trains in it.
            MismatchError: the run to be resumed has another recipe.
            DataError: there is nothing to resume, or its recipe cannot be read.
        """
        if resume:
            if not self.state_file.is_file():
                raise DataError(f"{self.path} holds no training run to resume: {self.state_file.name} is missing.")
            different = self._differences(config)
            if different:
                raise MismatchError(
                    f"{self.recipe_file} differs from the recipe given now in {', '.join(different)}: resume with the "
                    "recipe of the run; only epochs may grow, and workers and device may change."
                )
        elif self.state_file.exists():
            raise LsegError(f"{self.path} holds a training run already: go on with --resume, or choose another --out.")
        self.path.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise LsegError(
                f"Another process is training in {self.path}: wait for it, or take another --out."
            ) from error
        if not resume or self.recipe() != config:
            with atomic(self.recipe_file) as draft:
                draft.write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def _differences(self, config: TrainConfig) -> list[str]:
        """Keys of the run's recipe that another one changes, but for what a resumed run may change."""
        recipe = self.recipe()
        free = {"workers", "device", "tensorboard"} | ({"epochs"} if config.epochs > recipe.epochs else set())
        known, new = _flat(recipe.model_dump(mode="json")), _flat(config.model_dump(mode="json"))
        return [name for name in {**known, **new} if name not in free and known.get(name) != new.get(name)]

    def leave(self) -> None:
        """Lets others in; so does the end of the process."""
        if self._lock is not None:
            self._lock.release()

    def recipe(self) -> TrainConfig:
        """The recipe of the run in this folder.

        Raises:
            DataError: it cannot be read.
        """
        with reading(f"The recipe of the run, {self.recipe_file},", "cannot be read", DataError):
            return TrainConfig.model_validate_json(read_regular(self.recipe_file, MOST_YAML_BYTES))

    def steps_done(self) -> int:
        """How many steps of a run are in its state; 0 without one.

        Raises:
            DataError: the state is damaged.
        """
        if not self.state_file.is_file():
            return 0
        return self._meta(read_tensors(self.state_file, skip=("",))[1]).step

    def rows(self) -> list[dict[str, str]]:
        """The lines of results.csv so far; raises DataError if it cannot be read."""
        return self.rows_of(self.results)

    def rows_of(self, table: Path) -> list[dict[str, str]]:
        """The lines so far of a table of this folder; raises DataError if it cannot be read."""
        if not table.is_file():
            return []
        with reading(table, "is not the record of a training run", DataError):
            rows = list(csv.DictReader(read_text(table, MOST_YAML_BYTES).splitlines()))
            if any(int(row["epoch"]) < 1 for row in rows):
                raise ValueError("its epochs begin at 1")
            return rows

    def save(
        self,
        model: LSeg,
        optimizer: torch.optim.Optimizer,
        step: int,
        best_miou: float,
        classes: ClassVectors | None = None,
        average: AveragedModel | None = None,
    ) -> None:
        """Writes the model as `weights/last`, then the state after `step` steps: it ends what else would be redone."""
        save_trained(averaged(average) if average else model, classes, self.last, self._tower_of)
        tensors = {
            prefix + name: tensor.detach().cpu()
            for prefix, module in _modules(model, classes, average)
            for name, tensor in module.state_dict().items()
            if not name.endswith("num_batches_tracked")  # BatchNorm has a momentum: the count is never read
        }
        names: dict[Tensor, str] = {parameter: name for name, parameter in _parameters(model, classes).items()}
        for parameter, values in optimizer.state.items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"{_OPTIMIZER}{key}/{names[parameter]}"] = value.detach().cpu()
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        best = best_miou if math.isfinite(best_miou) else None  # JSON knows no infinity
        meta = {"step": step, "best_miou": best, "processes": self.processes}
        write_tensors(tensors, {_META: json.dumps(meta)}, self.state_file)

    def save_best(self, model: LSeg, classes: ClassVectors | None) -> None:
        """Write the model as `weights/best`."""
        save_trained(model, classes, self.best, self._tower_of)

    def load(
        self,
        model: LSeg,
        optimizer: torch.optim.Optimizer,
        classes: ClassVectors | None = None,
        average: AveragedModel | None = None,
    ) -> tuple[int, float]:
        """Puts the state back; gives the number of steps done and the best mIoU so far.

        Raises:
            MismatchError: another number of processes, whose steps show other pictures; tensors that do not fit.
        """
        tensors, metadata = read_tensors(self.state_file)
        meta = self._meta(metadata)
        if meta.processes != self.processes:
            raise MismatchError(
                f"The run in {self.path} has {meta.processes} processes, and it is resumed by {self.processes}: its "
                f"steps would show other pictures. Resume it with {meta.processes}."
            )
        for prefix, module in _modules(model, classes, average):
            load_weights(module, _under(prefix, tensors), str(self.state_file))
        parameters = _parameters(model, classes)
        for name, value in _under(_OPTIMIZER, tensors).items():
            key, _, parameter = name.partition("/")
            # `step` of AdamW stays on the CPU; the moments live where, and laid out as, their parameter does.
            like = parameters[parameter]
            optimizer.state[like][key] = value if value.ndim == 0 else torch.empty_like(like).copy_(value)
        return meta.step, meta.best_miou

    def _meta(self, metadata: Mapping[str, str]) -> "_Meta":
        with reading(self.state_file, "is not the state of a training run", DataError):
            facts = parse_json(metadata[_META])
            best = facts["best_miou"]  # null before the first validation; older states say -Infinity
            processes = int(facts.get("processes", self.processes))  # older states do not say
            return _Meta(int(facts["step"]), -math.inf if best is None else float(best), processes)

    def record(self, rows: Sequence[Mapping[str, object]], table: Path | None = None) -> None:
        """Append the lines of one epoch to results.csv, or to another table of this folder.

        Lines of the same or a later epoch, from before a crash, are replaced.
        """
        table = table or self.results
        known = [old for old in self.rows_of(table) if int(old["epoch"]) < int(str(rows[0]["epoch"]))]
        columns = dict.fromkeys(name for row in (*known[:1], rows[0]) for name in row)  # a run of before has fewer
        with atomic(table) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows([*known, *rows])


def _flat(keys: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Keys with dots, such as optimizer.momentum."""
    flat: dict[str, object] = {}
    for name, value in keys.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def _modules(model: LSeg, classes: ClassVectors | None, average: AveragedModel | None) -> list[tuple[str, nn.Module]]:
    """What is trained, and under which names its tensors are saved."""
    named = ((_MODEL, model), (_CLASSES, classes), (_AVERAGE, average))
    return [(prefix, module) for prefix, module in named if module is not None]


def _parameters(model: LSeg, classes: ClassVectors | None) -> dict[str, nn.Parameter]:
    """By the names under which the optimiser's values are saved."""
    own = dict(model.named_parameters())
    return own | ({_CLASSES + name: vectors for name, vectors in classes.named_parameters()} if classes else {})


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
