"""The steps of a run for one item: load -> infer -> finish. Who calls them, and how many at once, is elsewhere.

Threads call them in `lseg_cli.runs.pipeline`, also in another process or on another machine.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from lseg_cli.errors import DataError
from lseg_cli.results.records import Failed, Item

FULL_MEMORY = "The memory is full; take a smaller size."


class Loaded(Protocol):
    """An item that was read, as far as a pipeline is concerned."""

    @property
    def item(self) -> Item:
        """The item itself."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Items of one shape can be inferred together."""
        ...

    @property
    def held_px(self) -> int | None:
        """The pixels, of four bytes each, whose memory it takes from now on; None: as many as were asked for."""
        ...


L = TypeVar("L", bound=Loaded)
A = TypeVar("A")
R_co = TypeVar("R_co", covariant=True)


class Steps(Protocol[L, A, R_co]):
    """The steps, with all that they need; safe to be called in several threads."""

    @property
    def device(self) -> str:
        """The device that infers, such as 'cpu' or 'cuda:0'."""
        ...

    @property
    def precision(self) -> str:
        """The precision of its arithmetic."""
        ...

    @property
    def batch(self) -> int:
        """Items of one shape that are inferred at once, at most."""
        ...

    def load(self, item: Item, admit: Callable[[int], None]) -> L | Failed:
        """Reads and prepares an item; `admit` is asked for the memory of so many pixels before it is taken."""
        ...

    def infer(self, batch: Sequence[L]) -> Sequence[A]:
        """Return the network's answers for items of one shape.

        Raises:
            MemoryFullError: that many do not fit into the device's memory.
            DataError: they cannot be run.
        """
        ...

    def finish(self, loaded: L, answer: A) -> R_co:
        """Postprocesses, and writes or keeps what is asked for; the result, or `Failed`.

        Raises:
            LsegError: what would stop every item, such as a full disk.
        """
        ...


def failed(item: Item, stage: str, error: DataError | MemoryError) -> Failed:
    """The line of an item that failed."""
    sentence = str(error) if isinstance(error, DataError) else FULL_MEMORY
    return Failed(str(item.source.path), stage, sentence)
