"""`lseg train` as it is seen: steps, epochs, and where the model is."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import progress

from lseg_cli.console.facts import show_facts
from lseg_cli.console.terminal import LOG_EVERY_S, Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from lseg_cli.config import DataRef
    from lseg_cli.training.reports import EpochReport, Report, StepReport
    from lseg_cli.training.trial import Trial


def show_training(
    reports: "Iterable[Report]", console: Console, out: Path, validation: "DataRef | None" = None
) -> bool:
    """Carries out a training run and shows it; whether it came to its end.

    Args:
        reports: of the trainer.
        console: where to.
        out: folder of the run.
        validation: what it was validated on.
    """
    from lseg_cli.training.reports import EpochReport

    last: StepReport | None = None
    settled = False
    with _step_display(console) as show:
        for report in reports:
            if isinstance(report, EpochReport):
                console.event("epoch", asdict(report))
                console.note(_epoch_line(report))
                settled = report.has_settled
            else:
                last = report
                show(report)
    if settled:
        console.note("Training ends: the last validations brought no better mIoU.")
    elif last is not None and last.step < last.steps:
        console.line(f"Stopped after step {last.step} of {last.steps}; lseg train --resume {out} goes on.")
        return False
    weights = out / "weights"
    has_best = (weights / "best.safetensors").is_file()
    best = ", the best so far best.safetensors beside it" if has_best else ""
    console.note(f"The model is {weights / 'last.safetensors'}{best}.")
    if has_best and validation is not None:
        data = f"{validation.path}:{validation.root}" if validation.root else validation.path
        console.note(f"How it went: {out / 'results.png'}")
        console.note(f"Next: lseg eval -m {weights / 'best.safetensors'} --data {data} --split {validation.split}")
    return True


def show_trial(trial: "Trial", as_json: bool, console: Console) -> None:
    """What a run would take, on stdout; what was not as it will be, on stderr."""
    facts: dict[str, Any] = {**asdict(trial), "total_s": trial.total_s}
    notes = facts.pop("notes")
    if not as_json:
        for name in ("parameters", "pictures", "steps"):
            facts[name] = f"{facts[name]:,}"
        for name in ("step_s", "validation_s", "total_s"):
            seconds = round(facts.pop(name))
            clock = f"{seconds // 3600} h {seconds // 60 % 60:02} min {seconds % 60:02} s"
            facts[name.removesuffix("_s")] = clock if name != "step_s" else f"{trial.step_s:.2f} s"
        facts = {name: fact for name, fact in facts.items() if fact is not None}
    show_facts(facts, as_json)
    for note in notes:
        console.note(note)


@contextmanager
def _step_display(console: Console) -> "Iterator[Callable[[StepReport], None]]":
    """How steps are shown: a bar on a terminal, else a line every ten seconds."""
    if console.quiet:
        yield lambda _: None
    elif console.stderr.is_terminal and not console.stderr.is_dumb_terminal:
        text = progress.TextColumn("epoch {task.fields[epoch]}  loss {task.fields[loss]:.3f}")
        columns = (text, progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeRemainingColumn())
        with progress.Progress(*columns, console=console.stderr, transient=True) as bar:
            task = bar.add_task("", total=None, epoch=1, loss=0.0)
            yield lambda now: bar.update(task, completed=now.step, total=now.steps, epoch=now.epoch, loss=now.loss)
    else:
        yield _StepLog(console.line).show


class _StepLog:
    """A line every ten seconds."""

    def __init__(self, line: "Callable[[str], None]") -> None:
        self._line = line
        self._start: tuple[float, int] | None = None
        self._last = 0.0

    def show(self, report: "StepReport") -> None:
        now = time.monotonic()
        if self._start is None:  # the first step is slower than the others
            self._start, self._last = (now, report.step), now
        elif now - self._last >= LOG_EVERY_S:
            self._last = now
            left_s = (now - self._start[0]) / (report.step - self._start[1]) * (report.steps - report.step)
            where = f"step {report.step} of {report.steps}, epoch {report.epoch}"
            self._line(f"{where}, loss {report.loss:.3f}, {left_s:.0f} s left")


def _epoch_line(report: "EpochReport") -> str:
    line = f"epoch {report.epoch}: loss {report.loss:.3f}"
    if report.scores is not None:
        line += f", mIoU {report.scores.mean_iou:.3f} (best {report.best_miou or 0.0:.3f})"
    for name, value in (("seen", report.seen_miou), ("unseen", report.unseen_miou)):
        if value is not None:
            line += f", {name} {value:.3f}"
    return f"{line}, {report.seconds:.0f} s"
