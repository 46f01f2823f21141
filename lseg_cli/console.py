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

if TYPE_CHECKING:
    import rich.console
    import rich.table

    from lseg_cli.inference.runner import Run

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
        import rich.console  # noqa: PLC0415  `lseg --version` needs none of it

        self.quiet, self.verbose, self.json_lines = quiet, verbose, json_lines
        self._stderr = rich.console.Console(stderr=True, highlight=False)

    def line(self, text: str, style: str = "") -> None:
        """A line on stderr, also when quiet."""
        self._stderr.print(text, style=style, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line on stderr, unless quiet."""
        if not self.quiet:
            self.line(text)

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """A JSON line on stdout, if asked for."""
        if self.json_lines:
            sys.stdout.write(json.dumps({"event": kind, **data}) + "\n")
            sys.stdout.flush()

    def show_run(self, run: "Run") -> None:
        """Carries out a segmentation run and shows it."""
        from lseg_cli.inference.writers import FAILURES, Failed  # noqa: PLC0415  numpy and PIL

        for notice in run.notices:
            self.note(f"Note: {notice}")
            self.event("notice", {"text": notice})
        self.event("start", {"pictures": run.summary.total, "out": str(run.folder.folder), "device": run.engine.device})
        try:
            for record in self.track(run, run.summary.total):
                failed = isinstance(record, Failed)
                self.event("failed" if failed else "done", asdict(record))
                if isinstance(record, Failed):
                    self.line(record.error, "red")
                elif self.verbose:
                    self.note(f"{record.source} -> {record.mask}  {record.ms}")
        finally:
            if not self.quiet and run.summary.done:
                self._stderr.print(_share_table(run))
            self._close(run, FAILURES)

    def _close(self, run: "Run", failures: str) -> None:
        """The last sentences."""
        summary, folder = run.summary, run.folder.folder
        if summary.failed:
            self.line(f"{summary.failed} of {summary.total} pictures failed: see {folder / failures}.", "red")
        if summary.done:
            plural = "s" if summary.done > 1 else ""
            self.note(f"{summary.done} mask{plural} in {folder / 'masks'} ({run.engine.device}).")
        counts = {"total": summary.total, "done": summary.done, "failed": summary.failed}
        self.event("end", {**counts, "exit_code": summary.exit_code})

    def track(self, items: Iterable[T], total: int) -> Iterator[T]:
        """Passes items on and shows how far they are: a bar on a terminal, else a line every ten seconds."""
        if self.quiet:
            yield from items
        elif self._stderr.is_terminal and not self._stderr.is_dumb_terminal:
            yield from self._bar(items, total)
        else:
            yield from self._log(items, total)

    def _bar(self, items: Iterable[T], total: int) -> Iterator[T]:
        from rich import progress  # noqa: PLC0415

        columns = (progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeRemainingColumn())
        with progress.Progress(*columns, console=self._stderr, transient=True) as bar:
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


def _share_table(run: "Run") -> "rich.table.Table":
    """Mean share of each label over the pictures, largest first."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    summary = run.summary
    table = Table("label", box=None, pad_edge=False)
    table.add_column("share", justify="right")
    ranked = sorted(run.folder.named_colors(), key=lambda pair: -summary.share[pair[0]])
    for name, (red, green, blue) in ranked[:_MAX_ROWS]:
        box = Text("■ ", f"rgb({red},{green},{blue})")
        table.add_row(box + Text(name, ""), f"{summary.share[name] / summary.done:.1%}")
    rest = sum(summary.share[name] for name, _ in ranked[_MAX_ROWS:])
    if len(ranked) > _MAX_ROWS:
        table.add_row(f"  {len(ranked) - _MAX_ROWS} more", f"{rest / summary.done:.1%}")
    if summary.ignored:
        table.add_row("  (no label)", f"{summary.ignored / summary.done:.1%}")
    return table


def fail(sentence: str, with_traceback: bool = False) -> None:
    """An error on stderr, plain: it may be about anything, so it needs nothing."""
    if with_traceback:
        sys.stderr.write(traceback.format_exc())
    sys.stderr.write(f"lseg: {sentence}\n")
