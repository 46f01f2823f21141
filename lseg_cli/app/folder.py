"""A run over the command line's pictures, begun on the page: the same run as `lseg segment`, in a thread of its own."""

import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lseg_cli.contract import Engine, Output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError
from lseg_cli.results.records import Failed
from lseg_cli.runs.options import SegmentOptions
from lseg_cli.runs.segment import needed_outputs, open_segmentation
from lseg_engines.description import read_spec

OpenForRun = Callable[[EngineChoice, tuple[Output, ...]], Engine]


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        done: pictures that were segmented, by this run or before.
        failed: pictures that were not.
        total: pictures that were found.
        is_over: nothing more comes.
        text: what there is to say.
        shares: mean share of each label over the pictures that this run has done, the largest first.
    """

    done: int = 0
    failed: int = 0
    total: int = 0
    is_over: bool = False
    text: str = "Starting."
    shares: tuple[tuple[str, float], ...] = ()


def check_out(text: str, start: Path) -> str:
    """The folder for results as it is given to `lseg segment` in the start folder.

    Args:
        text: as typed.
        start: the folder in which the app was started.

    Raises:
        LsegError: it is empty, or does not lie under the start folder, also through a link.
    """
    name = text.strip()
    if not name or "\0" in name:
        raise LsegError("Type a folder for the results, such as out.")
    real, root = Path(os.path.realpath(start / name)), Path(os.path.realpath(start))
    if real == root or not real.is_relative_to(root):
        raise LsegError(f"{name[:200]!r} is not a folder under {start}; results are written only there.")
    return os.path.relpath(real, root)


class FolderJob:
    """One run at a time, for all sessions: it goes on when its page is closed, and stops with the app.

    Attributes:
        progress: how far the run is that was begun last.
    """

    def __init__(self) -> None:
        """Nothing runs."""
        self.progress = Progress(is_over=True, text="")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self, options: SegmentOptions, open_engine: OpenForRun) -> None:
        """Begins a run.

        Args:
            options: what to do.
            open_engine: as `lseg_cli.app.models.OpenModel.engine_for_run`.

        Raises:
            LsegError: another run is under way.
        """
        with self._lock:
            if self.is_running:
                raise LsegError("A run over the folder is under way; wait for its end, or stop it.")
            self._stop.clear()
            self.progress = Progress()
            self._thread = threading.Thread(target=self._carry_out, args=(options, open_engine), name="lseg folder run")
            self._thread.start()

    def stop(self, wait: bool = False) -> None:
        """Ends the run after the pictures in flight; the same run goes on from there.

        Args:
            wait: for the end.
        """
        self._stop.set()
        if wait and self._thread is not None:
            self._thread.join()

    def _carry_out(self, options: SegmentOptions, open_engine: OpenForRun) -> None:
        try:
            self._run(options, open_engine)
        except LsegError as error:
            self._end(str(error))
        except Exception as error:  # a dead thread would leave the page waiting for ever
            self._end(f"This is a bug: {type(error).__name__}: {error}.")

    def _run(self, options: SegmentOptions, open_engine: OpenForRun) -> None:
        outputs = needed_outputs(options)
        run = open_segmentation(options, lambda choice: open_engine(choice, outputs), read_spec)
        shares: Counter[str] = Counter()
        failure = ""
        with run:
            for result in run.run(self._stop.is_set):
                summary = run.summary
                if isinstance(result, Failed):
                    failure = f" {result.error}"
                shares = Counter(summary.share)
                text = f"Writing to {options.out}.{failure}"
                self.progress = Progress(
                    summary.before + summary.done, summary.failed, summary.total, is_over=False, text=text
                )
        summary = run.summary
        ranked = tuple((name, total / summary.done) for name, total in shares.most_common(12))
        text = _summed_up(options.out, summary.before + summary.done, summary.failed, summary.total) + failure
        self.progress = Progress(summary.before + summary.done, summary.failed, summary.total, True, text, ranked)

    def _end(self, text: str) -> None:
        now = self.progress
        self.progress = Progress(now.done, now.failed, now.total, True, text)


def _summed_up(out: str, done: int, failed: int, total: int) -> str:
    left = total - done - failed
    parts = [f"{done} of {total} pictures are segmented; masks are in {out}/masks, overlays in {out}/overlays."]
    if failed:
        parts.append(f"{failed} failed: see {out}/failures.jsonl.")
    if left:
        parts.append(f"{left} are left: run it again to go on.")
    return " ".join(parts)
