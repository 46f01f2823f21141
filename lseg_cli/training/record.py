"""What a training run writes down to be looked at; no part of it is read to resume.

OUT/results.csv     a line per epoch: loss, mIoU, learning rates (see `RunFolder`)
OUT/classes.csv     a line per class and validated epoch: its IoU
OUT/results.png     both as curves
OUT/confusion.csv, confusion.png, worst.jpg, best.jpg   of the model in weights/best
OUT/tensorboard/    event files, if asked for
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from lseg_cli.data.datasets import Dataset
from lseg_cli.evaluation.metrics import Scores
from lseg_cli.extras import require
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.training.curves import draw_curves
from lseg_cli.training.state import RunFolder
from lseg_cli.training.validation import Validation, write_pictures

DRAW_EVERY_S = 30  # curves take half a second, and an epoch may take less


@dataclass(frozen=True)
class EpochRecord:
    """What is written down of an epoch."""

    epoch: int  # 1-based
    step: int  # steps done
    loss: float
    scores: Scores | None  # None: not validated
    rates: Mapping[str, float]  # by group: encoder, rest; of the last step
    seconds: float
    split: Mapping[str, float | None] = field(default_factory=dict)  # seen_miou, unseen_miou


class RunRecord:
    """The files of a run that people look at."""

    def __init__(self, folder: RunFolder, tensorboard: bool = False) -> None:
        """Write to `folder`.

        Args:
            folder: of the run.
            tensorboard: write TensorBoard's event files too.

        Raises:
            MissingError: TensorBoard is asked for and not installed.
        """
        if tensorboard:
            require("tensorboard", "--tensorboard")
        self._folder = folder
        self._events = _Events(folder) if tensorboard else None
        self._drawn = time.monotonic()
        self._to_draw = False

    def step(self, done: int, loss: float, rates: Mapping[str, float]) -> None:
        """Note a step in the event files."""
        if self._events:
            self._events.add(done, {"loss/step": loss, **{f"lr/{group}": rate for group, rate in rates.items()}})

    def best(self, validation: Validation, segmenter: Segmenter, dataset: Dataset) -> None:
        """Write the pictures of the best validation so far; raises as `write_pictures`."""
        write_pictures(validation, segmenter, dataset, self._folder.path)

    def epoch(self, record: EpochRecord) -> None:
        """Write the lines of an epoch, and the curves if some time has gone by."""
        scores, epoch = record.scores, record.epoch
        row: dict[str, object] = {
            "epoch": epoch,
            "step": record.step,
            "loss": f"{record.loss:.6f}",
            "miou": _figure(scores.mean_iou if scores else None),
            "pixel_accuracy": _figure(scores.pixel_accuracy if scores else None),
            **{name: _figure(value) for name, value in record.split.items()},
            **{f"lr_{group}": f"{record.rates[group]:.3e}" if group in record.rates else "" for group in GROUPS},
            "seconds": f"{record.seconds:.1f}",
        }
        self._folder.record([row])
        if scores:
            rows = [{"epoch": epoch, "class": name, "iou": _figure(iou)} for name, iou in scores.class_iou.items()]
            self._folder.record(rows, self._folder.classes)
        if self._events:
            self._events.add(record.step, _scalars(record))
        self._to_draw = True
        if time.monotonic() - self._drawn >= DRAW_EVERY_S:
            self._draw()

    def close(self) -> None:
        """Draw what is not drawn yet."""
        if self._to_draw:
            self._draw()
        if self._events:
            self._events.close()

    def _draw(self) -> None:
        folder = self._folder
        draw_curves(folder.rows(), folder.rows_of(folder.classes), folder.path / "results.png")
        self._drawn, self._to_draw = time.monotonic(), False


GROUPS = ("encoder", "rest")  # of the optimiser; the encoder has none while it is frozen


class _Events:
    """TensorBoard's event files."""

    def __init__(self, folder: RunFolder) -> None:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  takes seconds, and is an extra

        # What a run that was killed wrote after its last state is done again.
        self._writer = SummaryWriter(str(folder.path / "tensorboard"), purge_step=folder.steps_done() + 1)

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


def _scalars(record: EpochRecord) -> dict[str, float]:
    scores = record.scores
    if scores is None:
        return {"loss/epoch": record.loss}
    return {
        "loss/epoch": record.loss,
        "val/mIoU": scores.mean_iou,
        "val/pixel accuracy": scores.pixel_accuracy,
        **{f"val/{name}": value for name, value in record.split.items() if value is not None},
        **{f"IoU/{name}": iou for name, iou in scores.class_iou.items() if iou is not None},
    }


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
