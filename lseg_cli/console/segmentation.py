"""`lseg segment` as it is seen: how far it is, what failed, and each label's share at the end."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from lseg_cli.console.terminal import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from lseg_cli.runs.segment import Run

_MAX_ROWS = 20


def show_segmentation(run: "Run", console: Console, should_stop: "Callable[[], bool]" = lambda: False) -> bool:
    """Carries out a run, and shows how far it is, what failed, and each label's share at the end; whether it is done.

    Args:
        run: that is ready to go.
        console: where to.
        should_stop: whether a signal has come.
    """
    from lseg_cli.results.records import Failed

    noted = _note(run, console, 0)
    left = run.summary.left
    console.event(
        "start", {"total": run.summary.total, "left": left, "out": str(run.folder.folder), "device": run.engine.device}
    )
    try:
        for record in console.track(run.run(should_stop), left):
            if isinstance(record, Failed):
                console.event("failed", asdict(record))
                console.line(record.error, "red")
            else:
                console.event("done", asdict(record))
                if console.verbose:
                    console.note(f"{record.source} -> {record.mask}  {record.ms}")
            noted = _note(run, console, noted)
    finally:
        _close(run, console)
    return not run.summary.left


def _note(run: "Run", console: Console, noted: int) -> int:
    """Says what there is to say since the first `noted` notices; how many there are."""
    for notice in run.notices[noted:]:
        console.note(f"Note: {notice}")
        console.event("notice", {"text": notice})
    return len(run.notices)


def _close(run: "Run", console: Console) -> None:
    """What is said at the end, also of a run that was stopped."""
    from lseg_cli.results.folder import FAILURES

    summary, folder = run.summary, run.folder.folder
    if summary.done and not console.quiet:
        console.stderr.print(_share_table(run))
        device = run.engine.device
        console.note(
            f"{summary.done} of {summary.total} pictures segmented on {device}"
            f"{f', {summary.before} before' if summary.before else ''}: masks in {folder / 'masks'}."
        )
    if summary.failed:
        console.line(
            f"{summary.failed} of {summary.total} pictures failed: see {folder / run.folder.named(FAILURES)}.", "red"
        )
    if summary.left:
        console.note(f"{summary.left} of {summary.total} pictures are left; the same command goes on.")
    counts = {"total": summary.total, "done_before": summary.before, "done": summary.done, "failed": summary.failed}
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
