"""Figures of a run so far."""

from dataclasses import dataclass, field

from lseg_cli.metrics import Metric
from lseg_cli.results.records import Done, Failed, Result


@dataclass
class Summary:
    """Figures of a run so far.

    Attributes:
        total: pictures that were found.
        ignores_failures: some failures do not change the exit code.
        before: pictures that an earlier run has done.
        done: by this one.
        failed: by this one.
        share: of each label, by name, summed over the pictures.
        ignored: share of pixels without a label, summed over the pictures.
        ms: milliseconds by stage, summed over the pictures.
    """

    total: int
    ignores_failures: bool = False
    before: int = 0
    done: int = 0
    failed: int = 0
    share: dict[str, float] = field(default_factory=dict)
    ignored: float = 0.0
    ms: dict[str, float] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Counts one picture."""
        if isinstance(result, Failed):
            self.failed += 1
            return
        self.done += 1
        if isinstance(result, Done):
            self.ignored += result.ignored
            for name, share in result.share.items():
                self.share[name] = self.share.get(name, 0.0) + share
        for stage, ms in result.ms.items():
            self.ms[stage] = self.ms.get(stage, 0.0) + ms

    def stages(self) -> dict[str, dict[str, float]]:
        """Seconds of each stage and its share of all; stages run side by side, so their sum is above the clock's."""
        total = sum(self.ms.values()) or 1.0
        return {stage: {"seconds": round(ms / 1000, 3), "share": round(ms / total, 4)} for stage, ms in self.ms.items()}

    def metrics(self) -> list[Metric]:
        """Return the figures so far as metrics; another thread may ask."""
        found = [
            Metric("lseg_run_pictures", "Pictures that were found.", self.total),
            Metric("lseg_run_pictures_done_before", "Pictures that earlier runs have done.", self.before),
            Metric("lseg_run_pictures_done_total", "Pictures that this run has done.", self.done, "counter"),
            Metric("lseg_run_pictures_failed_total", "Pictures that failed.", self.failed, "counter"),
        ]
        about = "Seconds spent in a stage; stages run side by side."
        for stage, ms in self.ms.copy().items():
            found.append(Metric("lseg_run_stage_seconds_total", about, ms / 1000, "counter", {"stage": stage}))
        return found

    @property
    def left(self) -> int:
        """Pictures that nobody has looked at."""
        return self.total - self.before - self.done - self.failed

    @property
    def exit_code(self) -> int:
        """0 all good, 3 some failed, 4 all failed."""
        if not self.done + self.before and self.total:
            return 4
        return 3 if self.failed and not self.ignores_failures else 0
