"""A transfer as it is seen: how much is here, how fast the rest comes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress

from lseg_cli.console.terminal import LOG_EVERY_S, Console


@contextmanager
def show_transfer(console: Console) -> Iterator[Callable[[int, int | None], None]]:
    """Gives what to call with the bytes so far and in all: a bar on a terminal, else a line every ten seconds."""
    if console.quiet or not console.stderr.is_terminal or console.stderr.is_dumb_terminal:
        yield _log(console)
        return
    columns = (progress.BarColumn(), progress.DownloadColumn(), progress.TransferSpeedColumn())
    with progress.Progress(*columns, progress.TimeRemainingColumn(), console=console.stderr, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _log(console: Console) -> Callable[[int, int | None], None]:
    last = time.monotonic()

    def tell(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last < LOG_EVERY_S:
            return
        last = time.monotonic()
        of = f" of {total / 1e6:.0f}" if total else ""
        console.note(f"{done / 1e6:.0f}{of} MB")

    return tell
