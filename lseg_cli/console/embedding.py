"""`lseg embed` and `lseg relabel` as they are seen: how far they are, what failed, and where the results are."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from lseg_cli.console.terminal import Console

if TYPE_CHECKING:
    from lseg_cli.runs.embed import EmbedRun
    from lseg_cli.runs.relabel import RelabelRun


def show_embedding(run: "EmbedRun | RelabelRun", place: str, console: Console) -> int:
    """Carries out a run and shows it; its exit code. `place` says what is where at the end."""
    from lseg_cli.results.records import Failed

    for notice in run.notices:
        console.note(f"Note: {notice}")
        console.event("notice", {"text": notice})
    console.event("start", {"total": run.total})
    for record in console.track(run, run.total):
        is_failure = isinstance(record, Failed)
        console.event("failed" if is_failure else "done", asdict(record))
        if isinstance(record, Failed):
            console.line(record.error, "red")
        elif console.verbose:
            console.note(f"{record.source}  {record.ms}")
    code = run.finish()
    if run.done:
        console.note(f"{run.done} of {run.total} done: {place}.")
    if run.failed:
        console.line(f"{run.failed} of {run.total} failed: see failures.jsonl.", "red")
    console.event("end", {"total": run.total, "done": run.done, "failed": run.failed, "exit_code": code})
    return code
