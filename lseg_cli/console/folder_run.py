"""A run over many pictures as it is seen: how far it is, what failed, and each label's share at the end."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from lseg_cli.console.events import End, EndOfRun, Start
from lseg_cli.console.terminal import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from lseg_cli.runs.folder_run import FolderRun

_MAX_ROWS = 20


def show_run(run: "FolderRun", console: Console, should_stop: "Callable[[], bool]" = lambda: False) -> bool:
    """Carries out a run, and shows how far it is, what failed, and each label's share; whether it came to its end.

    Args:
        run: that is ready to go.
        console: where to.
        should_stop: whether a signal has come.
    """
    from lseg_cli.results.records import Done, Failed

    noted = _note(run, console, 0)
    output, left = run.job.output, run.summary.left
    console.event("start", asdict(Start(run.summary.total, left, str(output.folder), run.job.crew.device)))
    try:
        for result in console.track(run.run(should_stop), left):
            if isinstance(result, Failed):
                console.event("failed", asdict(result))
                console.line(result.error, "red")
            else:
                console.event("done", asdict(result))
                if console.verbose:
                    main = result.mask if isinstance(result, Done) else result.embedding
                    console.note(f"{result.source} -> {main}  {result.ms}")
            noted = _note(run, console, noted)
    finally:
        _close(run, console)
    return not run.summary.left


def show_end(run: "FolderRun | None", console: Console, code: int) -> None:
    """The last event of a run: its counts, if it came about, and the exit code of the process."""
    if run is None:
        console.event("end", asdict(End(code)))
        return
    counts = run.summary
    console.event("end", asdict(EndOfRun(counts.total, counts.before, counts.done, counts.failed, code)))


def _note(run: "FolderRun", console: Console, noted: int) -> int:
    """Says what there is to say since the first `noted` notices; how many there are."""
    for notice in run.notices[noted:]:
        console.notice(notice)
    return len(run.notices)


def _close(run: "FolderRun", console: Console) -> None:
    """What is said at the end, also of a run that was stopped."""
    from lseg_cli.results.folder import FAILURES

    summary, job = run.summary, run.job
    folder = job.output.folder
    if summary.done and not console.quiet:
        if job.labels is not None:
            console.stderr.print(_share_table(run))
        before = f", {summary.before} before" if summary.before else ""
        console.note(
            f"{summary.done} of {summary.total} pictures {job.verb} on {job.crew.device}{before}: "
            f"{'embeddings' if job.labels is None else 'masks'} in "
            f"{folder / ('embeddings' if job.labels is None else 'masks')}."
        )
    if summary.failed:
        failures = folder / job.output.named(FAILURES)
        console.line(f"{summary.failed} of {summary.total} pictures failed: see {failures}.", "red")
    if summary.left:
        console.note(f"{summary.left} of {summary.total} pictures are left; run the same command again to go on.")


def _share_table(run: "FolderRun") -> "Table":
    """Mean share of each label over the pictures, largest first."""
    from rich.table import Table  # noqa: PLC0415  only who is shown one waits for it
    from rich.text import Text  # noqa: PLC0415

    from lseg_cli.results.masks import named_colors

    summary = run.summary
    table = Table("label", box=None, pad_edge=False)
    table.add_column("share", justify="right")
    pairs = [] if run.job.labels is None else named_colors(run.job.labels)
    ranked = sorted(pairs, key=lambda pair: -summary.share[pair[0]])
    for name, (red, green, blue) in ranked[:_MAX_ROWS]:
        box = ("■ ", f"rgb({red},{green},{blue})")
        table.add_row(Text.assemble(box, name), f"{summary.share[name] / summary.done:.1%}")
    rest = sum(summary.share[name] for name, _ in ranked[_MAX_ROWS:])
    if len(ranked) > _MAX_ROWS:
        table.add_row(f"  {len(ranked) - _MAX_ROWS} more", f"{rest / summary.done:.1%}")
    if summary.ignored:
        table.add_row("  (no label)", f"{summary.ignored / summary.done:.1%}")
    return table
