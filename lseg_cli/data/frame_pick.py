"""Which frames of a film are taken. Imports nothing heavy: the command line makes it of its options."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_NEARLY_S = 1e-6  # times of a film are rounded to its own clock


@dataclass(frozen=True)
class FramePick:
    """All frames, or every so many, or so many a second; of all of the film or of a part of it.

    Attributes:
        fps: frames of a second; those that a player would show at these moments.
        every: of so many frames one.
        start_s: seconds from the beginning of the film.
        end_s: the first second that is not wanted; None: the end.
    """

    fps: float | None = None
    every: int | None = None
    start_s: float = 0.0
    end_s: float | None = None

    def indices(self, times_s: Sequence[float]) -> list[int]:
        """Return which frames are taken, in order.

        Args:
            times_s: of all frames, ascending, the first at 0.
        """
        end_s = math.inf if self.end_s is None else self.end_s
        inside = [index for index, time in enumerate(times_s) if self.start_s - _NEARLY_S <= time < end_s - _NEARLY_S]
        if self.fps is None or not inside:
            return inside[:: self.every or 1]
        first, last = times_s[inside[0]], times_s[inside[-1]]
        count = math.floor((last - first) * self.fps + _NEARLY_S) + 1
        if count >= len(inside) * 1000:  # all of them, whatever the moments are
            return inside
        shown = (bisect_right(times_s, first + number / self.fps + _NEARLY_S) - 1 for number in range(count))
        return list(dict.fromkeys(shown))


ALL_FRAMES = FramePick()
