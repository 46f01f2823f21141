"""Ctrl-C and SIGTERM as a question that work asks between two steps, so that nothing is torn apart."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Called, it says whether to stop; `signal_number` says why."""

    signal_number: int | None = None

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self.signal_number is not None

    @property
    def exit_code(self) -> int:
        """As a shell expects: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.signal_number or 0)


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Notes the first SIGINT or SIGTERM instead of raising; a second Ctrl-C interrupts at once."""
    interrupt = Interrupt()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: FrameType | None) -> None:
        if interrupt():
            raise KeyboardInterrupt
        interrupt.signal_number = number

    for number in before:
        signal.signal(number, note)
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
