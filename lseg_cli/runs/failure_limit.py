"""The number of pictures of a run that may fail. Imports nothing: the command line makes it of `--max-failures`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FailureLimit:
    """A count of pictures, or a share of them: exactly one is given.

    Attributes:
        count: of pictures that may fail.
        percent: of all pictures, 0 to 100.
    """

    count: int | None = None
    percent: float | None = None

    def most(self, total: int) -> int:
        """Return how many of `total` pictures may fail."""
        return self.count if self.count is not None else int((self.percent or 0.0) * total / 100)
