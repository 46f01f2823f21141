"""The overlays of a film's frames as a film: each at its own time, with the sound of the original."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from lseg_cli.data.film_decoding import require_av
from lseg_cli.errors import DataError

_UNIT = Fraction(1, 90_000)  # seconds: the clock of MPEG, which has all usual rates
_CODECS = (("libx264", {"crf": "20", "preset": "veryfast"}), ("mpeg4", {"q": "3"}))  # the first that is there
_SOUND = frozenset(("aac", "mp3", "ac3", "eac3", "alac", "opus"))  # that an MP4 file holds as it is; others become:
_NEW_SOUND = "aac"
_LAST_S = 0.5  # of sound after the last frame


class Overlay(NamedTuple):
    """The overlay of a frame: microseconds from the beginning of its film, and its file."""

    time_us: int
    path: Path


def write_film(path: Path, overlays: Sequence[Overlay], original: Path) -> None:
    """Write an MP4 file (H.264 where FFmpeg has it), a frame at a time.

    Args:
        path: to write to.
        overlays: in order; those that cannot be read are left out, and the one before stays for longer.
        original: the film, for its rate and its sound.

    Raises:
        DataError: the film, or all overlays, cannot be read.
    """
    av = require_av()
    try:
        with av.open(f"file:{original.absolute()}") as source, av.open(str(path), "w", format="mp4") as target:
            _write(av, source, target, overlays)
    except (OSError, ValueError, av.FFmpegError) as error:
        raise DataError(f"The overlays of {original} cannot be put together as a film: {error}.") from error


def is_newer(path: Path, overlays: Sequence[Overlay]) -> bool:
    """Whether there is a film that was made of so many overlays, none of which has changed since."""
    try:
        made_ns = path.stat().st_mtime_ns
        with require_av().open(f"file:{path.absolute()}") as film:
            count = film.streams.best("video").frames
        return count == len(overlays) and all(each.path.stat().st_mtime_ns <= made_ns for each in overlays)
    except (OSError, ValueError, AttributeError, require_av().FFmpegError):
        return False


def _write(av: Any, source: Any, target: Any, overlays: Sequence[Overlay]) -> None:
    pictures = ((each.time_us, image) for each in overlays if (image := _read(each.path)) is not None)
    first_us, first = next(pictures, (0, None))
    if first is None:
        raise ValueError("none of them can be read")
    moving = source.streams.best("video")
    video, size = _add_video(av, target, moving, first.size), first.size
    zero_s = float((moving.start_time or 0) * moving.time_base) + first_us / 1e6
    sound = _Sound(av, source, target, zero_s, (overlays[-1].time_us - first_us) / 1e6 + _LAST_S)
    for time_us, image in chain([(first_us, first)], pictures):
        canvas = Image.new("RGB", (video.width, video.height))  # of even sides, as codecs want them
        canvas.paste(image if image.size == size else image.resize(size))
        frame = av.VideoFrame.from_image(canvas)
        frame.pts, frame.time_base = round((time_us - first_us) / 1_000_000 / _UNIT), _UNIT
        sound.go_on((time_us - first_us) / 1e6)
        target.mux(video.encode(frame))
    target.mux(video.encode())
    sound.end()


def _add_video(av: Any, target: Any, original: Any, size: tuple[int, int]) -> Any:
    name, options = next(each for each in _CODECS if each[0] in av.codecs_available)
    video = target.add_stream(name, rate=original.average_rate or 25, options=options)
    video.width, video.height = size[0] + size[0] % 2, size[1] + size[1] % 2
    video.pix_fmt = "yuv420p"
    video.codec_context.time_base = _UNIT
    return video


class _Sound:
    """The sound of a film, from some moment on, written up to where the pictures are; nothing where there is none."""

    def __init__(self, av: Any, source: Any, target: Any, zero_s: float, length_s: float) -> None:
        self._target, self._zero_s, self._length_s = target, zero_s, length_s
        self._packets: Iterator[tuple[float, Any]] = iter(())
        self._waiting: tuple[float, Any] | None = None
        self._flush: Callable[[], Any] = lambda: None
        original = source.streams.best("audio")
        if original is None:
            return
        if original.codec_context.name in _SOUND:
            stream = target.add_stream_from_template(original)
            self._packets = self._copied(source, original, stream)
        else:
            stream = target.add_stream(_NEW_SOUND, rate=original.codec_context.sample_rate)
            self._packets = self._encoded(av, source, original, stream)
            self._flush = lambda: target.mux(stream.encode())

    def go_on(self, until_s: float) -> None:
        """Writes what is heard up to a moment of the new film."""
        while True:
            waiting = self._waiting or next(self._packets, None)
            self._waiting = None
            if waiting is None:
                return
            if waiting[0] > until_s:
                self._waiting = waiting
                return
            self._target.mux(waiting[1])

    def end(self) -> None:
        """Writes the rest."""
        self.go_on(self._length_s)
        self._flush()

    def _copied(self, source: Any, original: Any, stream: Any) -> Iterator[tuple[float, Any]]:
        for packet in _packets(source, original):
            time_s = float(packet.pts * original.time_base) - self._zero_s
            if 0 <= time_s <= self._length_s:
                packet.pts = packet.dts = round(time_s / original.time_base)
                packet.stream = stream
                yield time_s, packet

    def _encoded(self, av: Any, source: Any, original: Any, stream: Any) -> Iterator[tuple[float, Any]]:
        resampler = av.AudioResampler(format="fltp", rate=stream.rate)
        samples = 0
        for packet in _packets(source, original):
            for decoded in packet.decode():
                time_s = decoded.time - self._zero_s
                if not 0 <= time_s <= self._length_s:
                    continue
                for frame in resampler.resample(decoded):
                    frame.pts, frame.time_base = samples, Fraction(1, stream.rate)
                    samples += frame.samples
                    yield time_s, stream.encode(frame)


def _packets(source: Any, stream: Any) -> Iterator[Any]:
    """Those that are whole."""
    av = require_av()
    with suppress(OSError, ValueError, av.FFmpegError):
        for packet in source.demux(stream):
            if packet.pts is not None and packet.size:
                yield packet


def _read(path: Path) -> Image.Image | None:
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            return image.convert("RGB")
    except (OSError, ValueError):
        return None
