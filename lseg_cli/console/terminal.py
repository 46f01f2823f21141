"""What speaks to the person at the terminal, or to the log where there is none."""

import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from lseg_cli.console.events import Notice
from lseg_cli.errors import MissingError

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

BROKEN_PIPE = 141  # 128 + SIGPIPE, as a shell reports it
LOG_EVERY_S = 10.0

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

    @cached_property
    def stderr(self) -> "RichConsole":
        """What draws on stderr; a quiet run does not wait for its import."""
        from rich.console import Console as RichConsole  # noqa: PLC0415

        return RichConsole(stderr=True, highlight=False)

    def line(self, text: str, style: str = "") -> None:
        """A line on stderr, also when quiet."""
        self.stderr.print(text, style=style, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line on stderr, unless quiet."""
        if not self.quiet:
            self.line(text)

    def notice(self, text: str) -> None:
        """What the user should know, though nothing has failed: a line, unless quiet, and an event."""
        self.note(f"Note: {text}")
        self.event("notice", asdict(Notice(text)))

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """A JSON line with the time (UTC) on stdout, if asked for. Ends the program when nobody reads it any more."""
        if not self.json_lines:
            return
        try:
            now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            sys.stdout.write(json.dumps({"event": kind, "time": now, **data}) + "\n")
            sys.stdout.flush()
        except BrokenPipeError as error:
            drop_stdout()
            raise typer.Exit(BROKEN_PIPE) from error
        except OSError as error:
            raise unwritable(error) from error

    def track(self, items: Iterable[T], total: int) -> Iterator[T]:
        """Passes items on and shows how far they are: a bar on a terminal, else a line every ten seconds."""
        if self.quiet:
            yield from items
        elif self.stderr.is_terminal and not self.stderr.is_dumb_terminal:
            yield from self._bar(items, total)
        else:
            yield from self._log(items, total)

    def _bar(self, items: Iterable[T], total: int) -> Iterator[T]:
        from rich import progress  # noqa: PLC0415  only for a bar

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


def fail(sentence: str, with_traceback: bool = False) -> None:
    """An error on stderr, plain: it may be about anything, so it needs nothing."""
    if with_traceback:
        sys.stderr.write(traceback.format_exc())
    sys.stderr.write(f"lseg: {sentence}\n")


def unwritable(error: OSError) -> MissingError:
    """The error of a stdout that leads to a full disk; what is left of it goes nowhere."""
    drop_stdout()
    return MissingError(f"What is printed cannot be written ({error.strerror}).")


def drop_stdout() -> None:
    """What is still to be written goes nowhere: else the interpreter complains at its end of a pipe that is closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_missing_streams() -> None:
    """Where the caller closed stdin, stdout or stderr (`>&-`), nothing is read, and what is written goes nowhere."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123  open until the process ends
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
