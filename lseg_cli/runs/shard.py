"""One share of a run's pictures, for several processes on one folder. Imports nothing: made of `--shard`."""

from typing import NamedTuple


class Shard(NamedTuple):
    """The share of one process.

    Attributes:
        number: of the share, from 1.
        shares: how many there are.
    """

    number: int
    shares: int

    def __str__(self) -> str:
        """The name that separates its journals from those of others: '2-of-4'."""
        return f"{self.number}-of-{self.shares}"
