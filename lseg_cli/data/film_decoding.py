"""Decoding a film: what is known of it without decoding, and its frames from any of them on.

PyAV (FFmpeg's libraries) reads them. A film is gone through once without decoding, which gives the time of every frame,
whatever its rate is. It is wound forward from key frame to key frame, so that a run that goes on near the end does not
decode the beginning.
"""

from bisect import bisect_right
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from lseg_cli.data.decoding import PictureError
from lseg_cli.errors import MissingError

_OPTIONS = {"protocol_whitelist": "file"}  # a playlist must not open other files, nor the network
_THREADS = 2  # that decode: the network wants the cores too
_MISSING_S = 1.0  # that a film may end before its header says


def require_av() -> Any:
    """Return the package that reads films.

    Raises:
        MissingError: it is not installed.
    """
    try:
        import av  # noqa: PLC0415  an extra
    except ImportError as error:
        raise MissingError("Films need the package av (PyAV): pip install 'lseg-cli[film]'.") from error
    return av


@dataclass(frozen=True)
class FilmFacts:
    """What is known of a film without decoding it.

    Attributes:
        times: of all frames in units of `unit`, ascending.
        keys: positions of key frames in it.
        unit: seconds.
        size: (H, W) as displayed.
        end: why it ends before its header says, in a sentence; '' where it does not.
    """

    times: tuple[int, ...]
    keys: tuple[int, ...]
    unit: Fraction
    size: tuple[int, int]
    end: str


def look_into(path: Path) -> FilmFacts:
    """Return what is known of a film without decoding more than one frame.

    Raises:
        PictureError: it cannot be opened, or there are no pictures in it.
        MissingError: PyAV is not installed.
    """
    container, stream = _open(path)
    with container:
        times, keys, end = _scan(container, stream)
        if not times:
            raise PictureError(f"{path} holds no frame that can be read{end}.", "read")
        unit = stream.time_base
        there_s = float((max(times) - min(times)) * unit)
        said_s = float(stream.duration * unit) if stream.duration else (container.duration or 0) / 1_000_000
        if end or said_s - there_s > max(_MISSING_S, 2 * there_s / len(times)):
            end = f"{path} is broken off: it can be read up to {there_s:.1f} of {said_s:.1f} seconds{end}."
    ordered = sorted(set(times))
    marked = tuple(index for index, time in enumerate(ordered) if time in keys)
    return FilmFacts(tuple(ordered), marked, unit, _displayed_size(path), end)


class Decoder:
    """An open film, at some frame of it."""

    def __init__(self, path: Path, facts: FilmFacts) -> None:
        self._path, self._facts = path, facts
        self._can_seek = True
        self._next = 0  # the position of the frame that would come now
        self._was_wound = False
        self._begin()

    def frame(self, index: int) -> Any:
        """The frame at a position; raises PictureError."""
        facts = self._facts
        key = bisect_right(facts.keys, index) - 1
        before = facts.keys[key] if key >= 0 else 0
        if index < self._next or (self._can_seek and before > self._next + 1):
            self._wind(index, before)
        found = self._forward(index)
        if found is None and self._was_wound:  # the format's seeking went too far
            self._can_seek = False
            self._begin_again()
            found = self._forward(index)
        self._next = index + 1
        if found is None:
            raise PictureError(
                f"{self._path} is damaged: the frame at {self._time(index)} cannot be decoded.", "decode"
            )
        return found

    def close(self) -> None:
        """Closes the file."""
        self._frames.close()
        self._container.close()

    def _begin(self) -> None:
        self._container, self._stream = _open(self._path)
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = _THREADS
        self._start()

    def _begin_again(self) -> None:
        self.close()
        self._begin()

    def _start(self, was_wound: bool = False) -> None:
        self._frames = _decoded(self._container, self._stream)
        self._waiting: Any = None
        self._next = 0
        self._was_wound = was_wound

    def _wind(self, index: int, key: int) -> None:
        """To the key frame before a frame, or to the beginning."""
        if not self._can_seek or key == 0:
            return self._begin_again()
        self._frames.close()
        self._container.seek(self._facts.times[key], stream=self._stream)
        self._start(was_wound=True)
        return None

    def _forward(self, index: int) -> Any:
        """Decodes up to a frame; None where it does not come."""
        wanted = self._facts.times[index]
        while True:
            frame = self._waiting or next(self._frames, None)
            self._waiting = None
            if frame is None:
                return None
            if frame.pts == wanted:
                self._was_wound = False
                return None if frame.is_corrupt else frame
            if frame.pts > wanted:
                self._waiting = frame
                return None
            self._was_wound = False  # it is before the frame, so nothing was skipped

    def _time(self, index: int) -> str:
        seconds = float((self._facts.times[index] - self._facts.times[0]) * self._facts.unit)
        return f"{seconds:.3f} s"


def _open(path: Path) -> tuple[Any, Any]:
    """The film, to be closed, and its moving pictures.

    Raises:
        PictureError: it cannot be opened, or holds none.
        MissingError: PyAV is not installed.
    """
    av = require_av()
    try:
        container = av.open(f"file:{path.absolute()}", options=_OPTIONS)
    except FileNotFoundError as error:
        raise PictureError(f"{path} is not there.", "read") from error
    except (OSError, ValueError, av.FFmpegError) as error:
        raise PictureError(f"{path} is not a film that can be read: {_reason(error)}.", "read") from error
    stream = container.streams.best("video")
    if stream is None:
        container.close()
        raise PictureError(f"{path} holds no moving pictures.", "read")
    return container, stream


def _scan(container: Any, stream: Any) -> tuple[list[int], set[int], str]:
    """Times of all frames, those of key frames, and what is wrong after the last one."""
    av = require_av()
    times: list[int] = []
    keys: set[int] = set()
    try:
        for packet in container.demux(stream):
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is None:  # only decoding tells
                container.seek(0)
                found = [frame.pts for frame in _decoded(container, stream) if frame.pts is not None]
                return found, set(found[:1]), ""
            times.append(packet.pts)
            if packet.is_keyframe:
                keys.add(packet.pts)
    except (OSError, ValueError, av.FFmpegError) as error:
        return times, keys, f" ({_reason(error)})"
    return times, keys, ""


def _decoded(container: Any, stream: Any) -> Generator[Any, None, None]:
    """Frames in the order in which they are shown; what is damaged is passed over."""
    av = require_av()
    with suppress(OSError, ValueError, av.FFmpegError):
        for packet in container.demux(stream):
            with suppress(OSError, ValueError, av.FFmpegError):
                yield from packet.decode()


def _displayed_size(path: Path) -> tuple[int, int]:
    """(H, W): a telephone's films lie on their side, and only a decoded frame says so."""
    container, stream = _open(path)
    with container:
        frame = next(_decoded(container, stream), None)
        if frame is None:
            raise PictureError(f"{path} holds no frame that can be decoded.", "decode")
        size = (frame.height, frame.width)
        is_turned = round((frame.rotation or 0) / 90) % 2 == 1
    return size[::-1] if is_turned else size


def _reason(error: BaseException) -> str:
    """What FFmpeg says, in a few words."""
    return str(getattr(error, "strerror", None) or error).rstrip(".").lower()
