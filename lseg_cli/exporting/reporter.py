"""The receiver of an export's or a build's progress; the console of the command line is one."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

T = TypeVar("T")

# Told (phase, share done) while TensorRT works; its answer says whether to go on.
Progress = Callable[[str, float], bool]
# Opened for as long as TensorRT works, in which nothing may raise.
Watch = Callable[[], AbstractContextManager[Progress]]


class Reporter(Protocol):
    """Takes sentences for the user, and how far things are."""

    def note(self, message: str, /) -> None:
        """Take a sentence for the user."""

    def track(self, items: Iterable[T], total: int) -> Iterator[T]:
        """Pass items on, and show how far they are."""
