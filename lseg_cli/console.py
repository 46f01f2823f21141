"""The only module that draws: progress, lines, tables. Results go to stdout, everything else to stderr."""

import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich import progress
from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lseg_cli.contract import GraphSpec
    from lseg_cli.evaluation.parity import Corner
    from lseg_cli.inference.runner import Run
    from lseg_cli.training.loop import EpochReport, Report, StepReport

BROKEN_PIPE = 141  # 128 + SIGPIPE, as a shell reports it
LOG_EVERY_S = 10.0
_MAX_ROWS = 20

T = TypeVar("T")


class Console:
    """Speaks to the person at the terminal, or to the log where there is none. `NO_COLOR` and `TERM=dumb` count."""

    def __init__(self, quiet: bool = False, verbose: bool = False, json_lines: bool = False) -> None:
        """Sets what is said.

        Args:
            quiet: nothing but errors.
            verbose: a line for each picture.
            json_lines: events as JSON lines on stdout.
        """
        self.quiet, self.verbose, self.json_lines = quiet, verbose, json_lines
        self.stderr = RichConsole(stderr=True, highlight=False)

    def line(self, text: str, style: str = "") -> None:
        """A line on stderr, also when quiet."""
        self.stderr.print(text, style=style, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line on stderr, unless quiet."""
        if not self.quiet:
            self.line(text)

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """A JSON line on stdout, if asked for. Ends the program when nobody reads it any more."""
        if not self.json_lines:
            return
        try:
            sys.stdout.write(json.dumps({"event": kind, **data}) + "\n")
            sys.stdout.flush()
        except BrokenPipeError as error:
            drop_stdout()
            raise typer.Exit(BROKEN_PIPE) from error

    def track(self, items: Iterable[T], total: int) -> Iterator[T]:
        """Passes items on and shows how far they are: a bar on a terminal, else a line every ten seconds."""
        if self.quiet:
            yield from items
        elif self.stderr.is_terminal and not self.stderr.is_dumb_terminal:
            yield from self._bar(items, total)
        else:
            yield from self._log(items, total)

    def _bar(self, items: Iterable[T], total: int) -> Iterator[T]:
        columns = (progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeRemainingColumn())
        with progress.Progress(*columns, console=self.stderr, transient=True) as bar:
            task = bar.add_task("", total=total)
            for item in items:
                yield item
                bar.advance(task)

    def _log(self, items: Iterable[T], total: int) -> Iterator[T]:
        start = last = time.monotonic()
        for number, item in enumerate(items, 1):
            yield item
            now = time.monotonic()
            if now - last >= LOG_EVERY_S:
                last = now
                left_s = (now - start) / number * (total - number)
                self.line(f"{number} of {total}, {number / (now - start):.1f} per second, {left_s:.0f} s left")


def show_segmentation(run: "Run", console: Console) -> None:
    """Carries out a run, and shows how far it is, what failed, and each label's share at the end."""
    from lseg_cli.inference.writers import Failed

    for notice in run.notices:
        console.note(f"Note: {notice}")
        console.event("notice", {"text": notice})
    console.event("start", {"total": run.summary.total, "out": str(run.folder.folder), "device": run.engine.device})
    try:
        for record in console.track(run, run.summary.total):
            if isinstance(record, Failed):
                console.event("failed", asdict(record))
                console.line(record.error, "red")
            else:
                console.event("done", asdict(record))
                if console.verbose:
                    console.note(f"{record.source} -> {record.mask}  {record.ms}")
    finally:
        _close(run, console)


def _close(run: "Run", console: Console) -> None:
    """What is said at the end, also of a run that was stopped."""
    from lseg_cli.inference.writers import FAILURES

    summary, folder = run.summary, run.folder.folder
    if summary.done and not console.quiet:
        console.stderr.print(_share_table(run))
        device = run.engine.device
        console.note(f"{summary.done} of {summary.total} pictures segmented on {device}: masks in {folder / 'masks'}.")
    if summary.failed:
        console.line(f"{summary.failed} of {summary.total} pictures failed: see {folder / FAILURES}.", "red")
    counts = {"total": summary.total, "done": summary.done, "failed": summary.failed}
    console.event("end", {**counts, "exit_code": summary.exit_code})


def _share_table(run: "Run") -> Table:
    """Mean share of each label over the pictures, largest first."""
    summary = run.summary
    table = Table("label", box=None, pad_edge=False)
    table.add_column("share", justify="right")
    ranked = sorted(run.folder.named_colors(), key=lambda pair: -summary.share[pair[0]])
    for name, (red, green, blue) in ranked[:_MAX_ROWS]:
        box = ("■ ", f"rgb({red},{green},{blue})")
        table.add_row(Text.assemble(box, name), f"{summary.share[name] / summary.done:.1%}")
    rest = sum(summary.share[name] for name, _ in ranked[_MAX_ROWS:])
    if len(ranked) > _MAX_ROWS:
        table.add_row(f"  {len(ranked) - _MAX_ROWS} more", f"{rest / summary.done:.1%}")
    if summary.ignored:
        table.add_row("  (no label)", f"{summary.ignored / summary.done:.1%}")
    return table


def show_training(reports: "Iterable[Report]", console: Console, out: Path) -> bool:
    """Carries out a training run and shows it; whether it came to its end.

    Args:
        reports: of the trainer.
        console: where to.
        out: folder of the run.
    """
    from lseg_cli.training.loop import EpochReport

    last: StepReport | None = None
    with _step_display(console) as show:
        for report in reports:
            if isinstance(report, EpochReport):
                console.event("epoch", asdict(report))
                console.note(_epoch_line(report))
            else:
                last = report
                show(report)
    if last is not None and last.step < last.steps:
        console.line(f"Stopped after step {last.step} of {last.steps}; the same command with --resume goes on.")
        return False
    console.note(f"The model is {out / 'weights' / 'last.safetensors'}, the best so far best.safetensors beside it.")
    return True


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
        line += f", mIoU {report.scores.mean_iou:.3f} (best {report.best_miou:.3f})"
    return f"{line}, {report.seconds:.0f} s"


def show_export(
    path: Path, spec: "GraphSpec", precision: str, corners: "Sequence[Corner] | None", console: Console
) -> None:
    """Shows what an exported file takes, and how near it is to its source; `corners` is None if that was not asked."""
    size = f"{spec.height_px}x{spec.width_px} pixels" if spec.height_px else "any size"
    size_mb = round(sum(file.stat().st_size for file in (path, Path(f"{path}.data")) if file.exists()) / 1e6, 1)
    console.note(f"{path}: any number of labels, and of pictures of {size}; {precision}, {size_mb} MB.")
    check = None
    if corners is not None:
        from lseg_cli.evaluation.parity import share_equal

        check = {
            "corners": len(corners),
            "difference": max(corner.difference for corner in corners),
            "equal": share_equal(corners),
        }
        console.note(
            f"Checked against PyTorch at {check['corners']} corners: logits within {check['difference']:.2g}, "
            f"{check['equal']:.3%} of labels equal."
        )
    console.event("exported", {"file": str(path), "precision": precision, "size_mb": size_mb, "check": check})


def show_facts(facts: "Mapping[str, Any]", as_json: bool) -> None:
    """Facts on stdout: a line for each, or one JSON object."""
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return
    width = max(map(len, facts))
    for name, fact in facts.items():
        sys.stdout.write(f"{name:<{width}}  {fact}\n")


def fail(sentence: str, with_traceback: bool = False) -> None:
    """An error on stderr, plain: it may be about anything, so it needs nothing."""
    if with_traceback:
        sys.stderr.write(traceback.format_exc())
    sys.stderr.write(f"lseg: {sentence}\n")


def drop_stdout() -> None:
    """What is still to be written goes nowhere: else the interpreter complains at its end of a pipe that is closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
