"""Pixels that may be in memory at once: pictures come in one by one, in their order, while there is room for theirs."""

import threading


class PixelBudget:
    """Since earlier pictures come in first and leave first, nobody waits for a picture that waits for it."""

    def __init__(self, most_pixels: int) -> None:
        """A budget that admits a number of pixels at once, or one picture."""
        self._most = most_pixels
        self._changed = threading.Condition()
        self._turn = 0
        self._inside: dict[int, int] = {}
        self._is_open = False
        self.is_full = False  # somebody waits for others to leave

    def open(self) -> None:
        """Turns begin at 0."""
        self._turn, self._is_open = 0, True

    def enter(self, turn: int, pixels: int) -> None:
        """Waits until all earlier turns have come in and there is room; a second time it does nothing."""
        with self._changed:
            self._changed.wait_for(lambda: self._turn >= turn or not self._is_open)
            if self._turn > turn:
                return
            while self._is_open and self._inside and sum(self._inside.values()) + pixels > self._most:
                self.is_full = True
                self._changed.wait()
            self.is_full = False
            self._turn = turn + 1
            if pixels:
                self._inside[turn] = pixels
            self._changed.notify_all()

    def shrink(self, turn: int, pixels: int) -> None:
        """Reduces the pixels that are reserved for a picture."""
        with self._changed:
            self._inside[turn] = pixels
            self._changed.notify_all()

    def leave(self, turn: int) -> None:
        """Makes room."""
        with self._changed:
            self._inside.pop(turn, None)
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
