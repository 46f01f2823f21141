"""The training loop: accelerate underneath, every step a function of the recipe, the seed and the step's number."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lseg_cli.config import TrainConfig
from lseg_cli.contract import Engine
from lseg_cli.data.datasets import absent_classes, check_dataset, first_epoch_steps, open_dataset
from lseg_cli.data.mixing import Batch, MixSchedule, batches
from lseg_cli.errors import DataError, LsegError
from lseg_cli.evaluation.metrics import Scores
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.model.lseg import LSeg
from lseg_cli.reading import reading
from lseg_cli.training.average import average_of, averaged
from lseg_cli.training.batchnorm import keep_statistics, synchronise
from lseg_cli.training.building import build_for_training
from lseg_cli.training.classifier import learned_classes
from lseg_cli.training.labels import LabelSampler
from lseg_cli.training.objective import Objective, label_masses
from lseg_cli.training.optim import build_optimizer, rate_factor, set_rates
from lseg_cli.training.processes import open_accelerator
from lseg_cli.training.record import EpochRecord, RunRecord
from lseg_cli.training.reports import EpochReport, Report, StepReport
from lseg_cli.training.state import RunFolder
from lseg_cli.training.unseen import open_seen, split_mean_iou
from lseg_cli.training.validation import validate
from lseg_cli.training.vocabulary import Embed, build_words

MakeEngine = Callable[[LSeg], Engine]  # validation runs on an engine, as `lseg segment` does


class Trainer:
    """One run. `run` yields reports; whoever iterates draws them."""

    def __init__(
        self, config: TrainConfig, out: Path, embed: Embed, make_engine: MakeEngine, resume: bool = False
    ) -> None:
        """Opens and checks the data, builds model and optimiser, and takes up the state of a run to be resumed.

        Args:
            config: the recipe.
            out: folder of the run.
            embed: the text encoder of the model's configuration.
            make_engine: what validation runs on.
            resume: go on with the run in `out`.

        Raises:
            LsegError: what is wrong with the data, the recipe or the folder, before the first step.
        """
        self.config = config
        self.accelerator = open_accelerator(config)
        self.datasets, self.unseen = open_seen(config.data)
        counts = [check_dataset(dataset) for dataset in self.datasets]
        self.notices = [  # what the user should know before the first step
            f"{dataset.name}: {note}"
            for dataset, each in zip(self.datasets, counts, strict=True)
            for note in (*dataset.notes, absent_classes(dataset, each))
            if note
        ]
        self.validation = open_dataset(config.validation) if config.validation else None
        if self.validation:
            check_dataset(self.validation)
        self.classes = (
            learned_classes(config, self.datasets, self.validation) if config.classifier == "learned" else None
        )
        self.embed = self.classes.embed if self.classes else embed  # of the validation's labels
        in_training = self.classes.choose if self.classes else embed
        self.make_engine = make_engine
        self.labels = LabelSampler(
            build_words(self.datasets, counts, in_training, config.labels, config.balance, self.unseen),
            config.labels,
            config.seed,
        )
        self.schedule = self._schedule()
        torch.manual_seed(config.seed)
        self.model = build_for_training(
            config.model_config_of(), config.encoder_weights, config.checkpointing, config.start
        )
        if config.freeze == "encoder":
            self.model.encoder.requires_grad_(False)
        # Made before a state is loaded: of the weights that the run began with.
        self.teacher = deepcopy(self.model).eval().requires_grad_(False) if config.keep else None
        self.average = average_of(self.model, config.average) if config.average else None
        self.folder = RunFolder(out, self.accelerator.num_processes, self.accelerator.is_main_process, config.start)
        self.folder.start(config, resume)
        self.record = RunRecord(self.folder, config.tensorboard) if self.accelerator.is_main_process else None
        self.objective, self.optimizer = self._prepare()
        self.best_miou = -math.inf
        if resume:
            raw = getattr(self.optimizer, "optimizer", self.optimizer)
            start, self.best_miou = self.folder.load(self.model, raw, self.classes, self.average)
            self.schedule = replace(self.schedule, start=start)

    def _schedule(self) -> MixSchedule:
        config, accelerator = self.config, self.accelerator
        pictures = config.batch_size * config.accumulate * accelerator.num_processes
        self.steps_per_epoch = config.steps_per_epoch or first_epoch_steps(self.datasets, pictures)
        sizes, weights = [len(dataset) for dataset in self.datasets], [ref.weight for ref in config.data]
        return MixSchedule(
            sizes,
            weights,
            pictures,
            config.epochs * self.steps_per_epoch,
            config.seed,
            rank=accelerator.process_index,
            processes=accelerator.num_processes,
        )

    def _prepare(self) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        if self.accelerator.num_processes > 1:
            synchronise(self.model, self.accelerator.device)
        if self.teacher:
            self.teacher.to(self.accelerator.device).to(memory_format=torch.channels_last)
        objective = Objective(
            self.model, self.config.loss_stride, self.config.alignment, self.classes, self.teacher, self.config.keep
        )
        # Twice as fast for convolutions on a CPU, and what tensor cores want.
        objective = objective.to(memory_format=torch.channels_last)
        optimizer = build_optimizer(self.model, self.config.optimizer, self.classes)
        self.base_rates = [float(group["lr"]) for group in optimizer.param_groups]
        prepared: tuple[torch.nn.Module, torch.optim.Optimizer] = self.accelerator.prepare(objective, optimizer)
        return prepared

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Generator[Report, None, None]:
        """Trains to the end, or until `should_stop` says so after a step; the state is saved then and every epoch."""
        try:
            yield from self._run(should_stop)
        finally:
            if self.record:
                self.record.close()
            self.folder.leave()

    def _run(self, should_stop: Callable[[], bool]) -> Iterator[Report]:
        config, schedule = self.config, self.schedule
        losses: list[float] = []
        started = time.monotonic()
        self._train()
        for batch in batches(self.datasets, schedule, config.augment, config.workers):
            losses.append(self._step(batch))
            done = batch.step + 1
            epoch = batch.step // self.steps_per_epoch + 1
            rate = float(self.optimizer.param_groups[-1]["lr"])
            if self.record:
                self.record.step(done, losses[-1], self._rates())
            yield StepReport(done, schedule.steps, epoch, config.epochs, losses[-1], rate)
            is_epoch = done % self.steps_per_epoch == 0
            if is_epoch:
                report = EpochReport(epoch, float(np.mean(losses)), self._validate(epoch), None, 0.0)
                report = self._finish(report, done, time.monotonic() - started)
                yield report
                if report.has_settled:
                    break
                losses, started = [], time.monotonic()
            # Asked once, as a signal may come at any time; and all stop together.
            if int(self._over_all(torch.tensor(int(should_stop())))):
                if not is_epoch:
                    self._save(done)
                break

    def _has_settled(self) -> bool:
        """Whether the last `patience` validations brought no better mIoU, as the record of the run says."""
        rows = self.folder.rows() if self.config.patience else []
        with reading(self.folder.results, "is not the record of a training run", DataError):
            found = [float(row["miou"]) for row in rows if row["miou"]]
        best = found.index(max(found)) if found else 0
        settled = bool(found) and len(found) - 1 - best >= self.config.patience
        return int(self._over_all(torch.tensor(int(settled)))) > 0

    def _step(self, batch: Batch) -> float:
        """One step of the optimiser; gives the loss, a mean over the labelled pixels of all devices and parts."""
        config, accelerator = self.config, self.accelerator
        device = accelerator.device
        labels = self.labels.sample(batch, self._over_all(self.labels.shown(batch).int()) > 0)
        text, weights, lookup = labels.text.to(device), labels.weights.to(device), labels.lookup.to(device)
        factor = rate_factor(batch.step, self.steps_per_epoch, config)
        set_rates(self.optimizer, self.base_rates, factor)
        total = torch.zeros((), device=device)
        target = lookup[batch.masks.to(device).long()]
        # Of all processes, whose gradients are then averaged, not summed.
        masses = self._over_all(label_masses(target, weights, config.loss_stride)) / accelerator.num_processes
        parts = list(zip(*(torch.split(each, config.batch_size) for each in (batch.images, target)), strict=True))
        for index, (images, labelled) in enumerate(parts):
            pixels = self._normalise(images.to(device))
            with accelerator.autocast():
                loss = self.objective(pixels, text, labelled, weights, masses)
            if index < len(parts) - 1:
                with accelerator.no_sync(self.objective):
                    accelerator.backward(loss)
            else:
                accelerator.backward(loss)
            total += loss.detach()
        if config.optimizer.clip_norm:
            accelerator.clip_grad_norm_(self.objective.parameters(), config.optimizer.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average:
            self.average.update_parameters(self.model)
        value = float(accelerator.reduce(total, "mean"))
        if not math.isfinite(value):
            raise LsegError(
                f"The loss is {value} at step {batch.step + 1}: lower the learning rate or take --precision fp32; the "
                "state of the last whole epoch is kept."
            )
        return value

    def _rates(self) -> dict[str, float]:
        """The learning rates of the last step: of the encoder, unless it is frozen, and of the rest."""
        rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        return {"rest": rates[-1]} | ({} if self.config.freeze == "encoder" else {"encoder": rates[0]})

    def _over_all(self, values: Tensor) -> Tensor:
        """The sum over all processes, the same for each of them."""
        if self.accelerator.num_processes == 1:
            return values
        total: Tensor = self.accelerator.reduce(values.to(self.accelerator.device), "sum").to(values.device)
        return total

    def _normalise(self, images: Tensor) -> Tensor:
        image = self.model.config.image
        mean = torch.tensor(image.mean, device=images.device).view(3, 1, 1) * 255
        std = torch.tensor(image.std, device=images.device).view(3, 1, 1) * 255
        return ((images.float() - mean) / std).contiguous(memory_format=torch.channels_last)

    def _validate(self, epoch: int) -> Scores | None:
        due = epoch % self.config.validate_every == 0 or epoch == self.config.epochs
        if self.validation is None or not due or not self.accelerator.is_main_process:
            return None
        judged = self.judged
        judged.eval()
        segmenter = Segmenter(self.make_engine(judged), self.embed(self.validation.prompts))
        found = validate(segmenter, self.validation)
        deciding = split_mean_iou(found.scores, self.unseen)[0] if self.unseen else found.scores.mean_iou
        if deciding is not None and deciding > self.best_miou:
            self.best_miou = deciding
            self.folder.save_best(judged, self.classes)
            if self.record:
                self.record.best(found, segmenter, self.validation)
        self._train()
        return found.scores

    @property
    def judged(self) -> LSeg:
        """The model that is validated and saved: the average of the weights, where one is kept."""
        if self.average is None:
            return self.model
        return averaged(self.average)

    def _train(self) -> None:
        """Training mode, but for what is frozen: its BatchNorm keeps its statistics too."""
        self.objective.train()
        if self.config.freeze == "encoder":
            self.model.encoder.eval()
        if self.config.keep_statistics:
            keep_statistics(self.model)

    def _finish(self, report: EpochReport, done: int, seconds: float) -> EpochReport:
        """Writes the epoch's line, then saves the state: what dies in between is done, and written, again."""
        seen, unseen = split_mean_iou(report.scores, self.unseen) if report.scores and self.unseen else (None, None)
        best = self.best_miou if math.isfinite(self.best_miou) else None  # JSON knows no infinity
        report = replace(report, best_miou=best, seconds=seconds, seen_miou=seen, unseen_miou=unseen)
        if self.record:
            split = {"seen_miou": seen, "unseen_miou": unseen} if self.unseen else {}
            self.record.epoch(
                EpochRecord(report.epoch, done, report.loss, report.scores, self._rates(), seconds, split)
            )
        self._save(done)
        return replace(report, has_settled=self._has_settled())

    def _save(self, done: int) -> None:
        if self.accelerator.is_main_process:
            raw = getattr(self.optimizer, "optimizer", self.optimizer)
            self.folder.save(self.model, raw, done, self.best_miou, self.classes, self.average)
        self.accelerator.wait_for_everyone()
