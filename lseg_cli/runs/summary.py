"""Figures of a run so far."""

from dataclasses import dataclass, field

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
