"""How far TensorRT's builder is. It tells of phases that lie inside steps of others, to any depth."""

from collections.abc import Callable
from typing import Any

Report = Callable[[str, float], bool]  # (phase, share done from 0 to 1) -> whether to go on


class Phases:
    """The phases that run, outermost first, and the share of the whole that they make up."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self._phases: list[tuple[str, int, int]] = []  # name, steps, steps done
        self._most = 0.0

    def start(self, name: str, parent: str | None, count: int) -> None:
        """A phase of `count` steps begins inside a step of `parent`."""
        depth = 0 if parent is None else self._depth(parent) + 1
        self._phases[depth:] = [(name, max(1, count), 0)]

    def finish(self, name: str) -> None:
        """A phase ends, and all within it."""
        del self._phases[self._depth(name) :]

    def complete(self, name: str, step: int) -> None:
        """A step of a phase is done."""
        depth = self._depth(name)
        if depth < len(self._phases):
            self._phases[depth:] = [(name, self._phases[depth][1], step + 1)]

    def share(self) -> float:
        """Of the whole, from 0 to 1; never less than before, as phases come back in another order."""
        share, weight = 0.0, 1.0
        for _, count, done in self._phases:
            weight /= count
            share += weight * done
        self._most = max(self._most, min(1.0, share))
        return self._most

    def _depth(self, name: str) -> int:
        """Where a phase stands; behind all others if it does not run."""
        names = [phase[0] for phase in self._phases]
        return names.index(name) if name in names else len(names)


def make_monitor(trt: Any, report: Report) -> Any:
    """An `IProgressMonitor` of whichever module was loaded; `is_cancelled` says whether `report` ended the build."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.is_cancelled = False
            self._phases = Phases()

        def phase_start(self, name: str, parent: str | None, count: int) -> None:
            self._phases.start(name, parent, count)

        def phase_finish(self, name: str) -> None:
            self._phases.finish(name)

        def step_complete(self, name: str, step: int) -> bool:
            self._phases.complete(name, step)
            self.is_cancelled = self.is_cancelled or not report(name, self._phases.share())
            return not self.is_cancelled

    return Monitor()
