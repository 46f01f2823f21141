"""Films: which frames they have, and these one after another, in memory that does not grow with their length.

Frames are decoded in order, by one thread at a time; see `lseg_cli.data.film_decoding`.
"""

import threading
from bisect import bisect_left
from collections import deque
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lseg_cli.data.decoding import PictureError
from lseg_cli.data.film_decoding import Decoder, FilmFacts, look_into
from lseg_cli.data.film_frame import MARK, FilmFrame, film_of
from lseg_cli.data.frame_pick import FramePick


def frame_at(text: str) -> FilmFrame | None:
    """The frame that a text names, as `str` of a frame gave it; None of any other path.

    Raises:
        PictureError: the film cannot be read, or has no such frame.
        MissingError: PyAV is not installed.
    """
    path = film_of(text)
    if path == text:
        return None
    time_us = round(float(text[len(path) + len(MARK) :]) * 1_000_000)
    try:
        film = _film(path, Path(path).stat().st_mtime_ns)
    except OSError as error:
        raise PictureError(f"{path} cannot be read ({error.strerror}).", "read") from error
    return film.at(time_us)


@lru_cache(maxsize=4)  # open films
def _film(path: str, mtime_ns: int) -> "Film":
    del mtime_ns  # of another one there are other frames
    return Film(Path(path))


class Film:
    """A film's file; fulfils `lseg_cli.data.film_frame.FrameReader`. Its frames may be asked for in several threads.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self.path = path
        self._changed = threading.Condition()
        self._expected: deque[int] = deque()
        self._decoder: Decoder | None = None

    def frames(self, pick: FramePick) -> list[FilmFrame]:
        """The frames that are taken, in order; last of all one that fails where the film is broken off.

        Raises:
            PictureError: it cannot be opened, or there are no pictures in it.
            MissingError: PyAV is not installed.
        """
        facts = self._facts
        seconds = [(time - facts.times[0]) * facts.unit for time in facts.times]
        times_s = list(map(float, seconds))
        frames = [FilmFrame(self, index, round(seconds[index] * 1_000_000)) for index in pick.indices(times_s)]
        if facts.end and (pick.end_s is None or pick.end_s > times_s[-1]):
            frames.append(FilmFrame(self, len(facts.times), round(seconds[-1] * 1_000_000) + 1000))
        return frames

    def at(self, time_us: int) -> FilmFrame:
        """The frame at so many microseconds; raises PictureError."""
        facts = self._facts
        time = round(time_us / 1_000_000 / facts.unit) + facts.times[0]
        index = bisect_left(facts.times, time)
        if index == len(facts.times) or facts.times[index] != time:
            raise PictureError(f"{self.path} has no frame at {time_us / 1e6:g} seconds.", "read")
        return FilmFrame(self, index, time_us)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) as displayed."""
        return self._facts.size

    def expect(self, index: int) -> None:
        """This frame will be asked for, after all that were announced before it."""
        self._expected.append(index)

    def read(self, index: int) -> Image.Image:
        """A frame in RGB, upright. Waits until all that were announced before it have been read.

        Raises:
            PictureError: it cannot be decoded, or the film ends before it.
        """
        with self._changed:
            self._changed.wait_for(lambda: index not in self._expected or self._expected[0] == index)
            try:
                frame = self._decode(index)
            finally:
                if self._expected and self._expected[0] == index:
                    self._expected.popleft()
                    self._changed.notify_all()
                    if not self._expected:
                        self.close()
        turns = round((frame.rotation or 0) / 90) % 4  # counter-clockwise, as NumPy turns
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), turns)
        return Image.fromarray(np.ascontiguousarray(pixels))

    def close(self) -> None:
        """The file is not needed for now."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def _decode(self, index: int) -> Any:
        if index >= len(self._facts.times):
            raise PictureError(self._facts.end, "read")
        if self._decoder is None:
            self._decoder = Decoder(self.path, self._facts)
        return self._decoder.frame(index)

    @cached_property
    def _facts(self) -> FilmFacts:
        return look_into(self.path)


class BrokenFilm:
    """A film that cannot be opened; fulfils `lseg_cli.data.film_frame.FrameReader`.

    Attributes:
        path: of the file.
        size: unknown.
    """

    size = (0, 0)

    def __init__(self, path: Path, error: PictureError) -> None:
        """Take what was said when it was opened."""
        self.path = path
        self._error = error

    def expect(self, index: int) -> None:
        """Nothing comes."""

    def read(self, index: int) -> Image.Image:
        """Raises PictureError."""
        raise self._error
