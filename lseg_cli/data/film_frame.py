"""One frame of a film as a place that a picture is read from."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

MARK = "#t="  # as W3C's "Media Fragments URI" names a moment: drive.mp4#t=83.4


class FrameReader(Protocol):
    """A film that gives its frames."""

    @property
    def path(self) -> Path:
        """Of its file, or what stands for it."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of its frames in px; (0, 0) where that is not known before one is read."""
        ...

    def expect(self, index: int) -> None:
        """This frame will be asked for, after all that were announced before it."""
        ...

    def read(self, index: int) -> Image.Image:
        """The frame in RGB, as it is displayed; raises PictureError."""
        ...


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """A frame, with those parts of `Path` that reading a picture needs.

    Attributes:
        film: that it is of.
        index: of it, as the film counts.
        time_us: microseconds from the beginning of the film.
    """

    film: FrameReader
    index: int
    time_us: int

    def __str__(self) -> str:
        """The film, and the second."""
        return f"{self.film.path}{MARK}{self.seconds}"

    def __fspath__(self) -> str:
        """As a path, so that it can be compared with others; no file has it."""
        return str(self)

    @property
    def seconds(self) -> str:
        """From the beginning of the film, as short as it can be said."""
        return f"{self.time_us / 1e6:.6f}".rstrip("0").rstrip(".")

    @property
    def clock(self) -> str:
        """Hours, minutes, seconds and milliseconds, as files are named: 00-01-23.400."""
        ms = self.time_us // 1000
        return f"{ms // 3_600_000:02}-{ms // 60_000 % 60:02}-{ms // 1000 % 60:02}.{ms % 1000:03}"

    @property
    def name(self) -> str:
        """The film's, and the second."""
        return f"{self.film.path.name}{MARK}{self.seconds}"

    @property
    def suffix(self) -> str:
        """Of the film."""
        return self.film.path.suffix

    @property
    def parent(self) -> Path:
        """The folder of the film."""
        return self.film.path.parent

    def stat(self) -> os.stat_result:
        """Of the film's file."""
        return self.film.path.stat()


@dataclass(frozen=True, slots=True)
class FrameSource:
    """What is read of a film, as `lseg_cli.data.finding.Source` is of files: the frame, and its `name` below `root`."""

    path: FilmFrame
    root: Path
    name: str


def film_of(path: str) -> str:
    """The film's path, of a frame's; any other path as it is."""
    film, mark, seconds = path.rpartition(MARK)
    return film if mark and seconds.replace(".", "", 1).isdecimal() else path
