"""Figures of a run as a Prometheus text file, for node_exporter's textfile collector or any reader of the format.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lseg_cli import __version__
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic, open_regular

INTERVAL_S = 15.0  # Prometheus asks four times a minute by default
_START = b"# HELP lseg_"  # of every file of ours


@dataclass(frozen=True)
class Metric:
    """One number with its name.

    Attributes:
        name: in the words of Prometheus, with its unit: `lseg_run_seconds`.
        about: what it is, as a sentence.
        value: NaN and infinities are allowed.
        kind: a gauge, or a counter, which only grows while the run lasts.
        labels: what separates it from others of the name, such as the stage.
    """

    name: str
    about: str
    value: float
    kind: Literal["gauge", "counter"] = "gauge"
    labels: Mapping[str, str] = field(default_factory=dict)


def as_text(metrics: Iterable[Metric], labels: Mapping[str, str]) -> str:
    """Return metrics in Prometheus' text format.

    Args:
        metrics: those of one name follow each other.
        labels: put to each of them: files of two runs on a machine must not hold the same series.
    """
    lines: list[str] = []
    last = ""
    for metric in metrics:
        if metric.name != last:
            lines += [f"# HELP {metric.name} {_escaped(metric.about)}", f"# TYPE {metric.name} {metric.kind}"]
            last = metric.name
        pairs = ",".join(f'{key}="{_escaped(text, quotes=True)}"' for key, text in {**labels, **metric.labels}.items())
        lines.append(f"{metric.name}{{{pairs}}} {_number(metric.value)}")
    return "\n".join(lines) + "\n"


class MetricsFile:
    """A text file of a run's figures: written at `begin`, then on a regular interval, and at `end`; always whole."""

    def __init__(
        self,
        path: Path | None,
        labels: Mapping[str, str],
        notify: Callable[[str], None],
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Nothing is written yet.

        Args:
            path: of the file; None: nothing is ever written.
            labels: which run it is.
            notify: is given the sentence when the file cannot be written; the run is worth more than its figures.
            interval_s: between two writings in seconds.
        """
        self._path, self._labels, self._notify, self._interval_s = path, labels, notify, interval_s
        self._read: Callable[[], list[Metric]] = list
        self._start_s = time.time()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Write the file for the first time, and go on from now on.

        Raises:
            LsegError: a file that no run wrote is there, or it cannot be written.
        """
        if self._path is None:
            return
        _check_ours(self._path)
        self._write(self._path)
        self._thread = threading.Thread(target=self._repeat, args=(self._path,), name="metrics", daemon=True)
        self._thread.start()

    def watch(self, read: Callable[[], list[Metric]]) -> None:
        """Take the figures from `read` from now on; another thread calls it while the run changes them."""
        self._read = read

    def end(self, code: int) -> None:
        """Write the file for the last time, with the exit code; nothing if it was never begun."""
        if self._path is None or self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        now = time.time()
        self._try(
            self._path,
            Metric("lseg_run_end_time_seconds", "When the run ended, in seconds since 1970.", now),
            Metric("lseg_run_exit_code", "The exit code of the process; absent while it runs.", code),
        )

    def _repeat(self, path: Path) -> None:
        while not self._ended.wait(self._interval_s):
            self._try(path)

    def _try(self, path: Path, *more: Metric) -> None:
        try:
            self._write(path, *more)
        except LsegError as error:
            self._notify(f"The metrics are not current: {error}")

    def _write(self, path: Path, *more: Metric) -> None:
        about = "When the run began, in seconds since 1970."
        info = {"version": __version__}
        metrics = [
            Metric("lseg_info", "The version of lseg that runs.", 1, labels=info),
            Metric("lseg_run_start_time_seconds", about, self._start_s),
            *self._read(),
            *more,
        ]
        with atomic(path) as draft:
            draft.write_text(as_text(metrics, self._labels), encoding="utf-8", newline="\n")


def _check_ours(path: Path) -> None:
    """Raise LsegError if `path` is there and no run wrote it."""
    try:
        with open_regular(path) as file:
            start = file.read(len(_START))
    except FileNotFoundError:
        return
    except OSError as error:
        raise LsegError(f"--metrics {path} cannot be written: {error.strerror or error}.") from error
    if start not in (b"", _START):
        raise LsegError(f"--metrics {path}: the file was not written by lseg, so it stays; choose another name.")


def _escaped(text: str, quotes: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
