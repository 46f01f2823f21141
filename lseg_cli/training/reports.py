"""What a training run reports while it runs. Imports no PyTorch: whoever only shows or describes reports needs none."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lseg_cli.evaluation.metrics import Scores
from lseg_cli.metrics import Metric


@dataclass(frozen=True)
class StepReport:
    """After every step."""

    step: int  # steps done
    steps: int  # of the whole run
    epoch: int  # 1-based
    epochs: int
    loss: float
    learning_rate: float  # of the decoder and head


@dataclass(frozen=True)
class EpochReport:
    """After every epoch."""

    epoch: int
    loss: float  # mean over the epoch's steps since the run was started or resumed
    scores: Scores | None  # on the validation set, in epochs that validate
    best_miou: float | None  # None before any validation; of the seen classes where some are unseen: see `unseen`
    seconds: float
    seen_miou: float | None = None  # None without unseen classes
    unseen_miou: float | None = None
    has_settled: bool = False  # training ends here, for nothing is gained any more


Report = StepReport | EpochReport


class LatestFigures:
    """The newest figures of a run, for `lseg_cli.metrics`."""

    def __init__(self) -> None:
        """There are none yet."""
        self._step: StepReport | None = None
        self._epoch: EpochReport | None = None

    def follow(self, reports: Iterable[Report]) -> Iterator[Report]:
        """Pass reports on, and keep what they say."""
        for report in reports:
            if isinstance(report, StepReport):
                self._step = report
            else:
                self._epoch = report
            yield report

    def metrics(self) -> list[Metric]:
        """Return them as metrics; another thread may ask."""
        found: list[Metric] = []
        step, epoch = self._step, self._epoch
        if step is not None:
            found += [
                Metric("lseg_train_steps", "Steps of the whole run.", step.steps),
                Metric("lseg_train_step", "Steps that are done.", step.step),
                Metric("lseg_train_epoch", "The epoch of the last step, from 1.", step.epoch),
                Metric("lseg_train_loss", "Loss of the last step.", step.loss),
                Metric("lseg_train_learning_rate", "Of the decoder and head in the last step.", step.learning_rate),
            ]
        if epoch is not None and epoch.best_miou is not None:
            found.append(Metric("lseg_train_best_miou", "Best mIoU of a validation so far, 0 to 1.", epoch.best_miou))
        if epoch is not None and epoch.scores is not None:
            found.append(Metric("lseg_train_miou", "mIoU of the last validation, 0 to 1.", epoch.scores.mean_iou))
        return found
