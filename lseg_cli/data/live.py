"""Pictures of a camera or a stream as they come: the newest is taken, those that come meanwhile are left out."""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.film_decoding import require_av
from lseg_cli.data.film_frame import FilmFrame
from lseg_cli.data.frame_pick import FramePick
from lseg_cli.errors import DataError, LsegError

_STREAMS = ("rtsp", "rtsps", "rtmp", "udp", "tcp", "srt")
_LOGIN = "LSEG_STREAM_LOGIN"  # user:password of a stream, which no journal may hold
_PATIENCE_S = 10.0  # for the first picture, and for the next one
_LOOK_S = 0.05

Grab = Callable[[], NDArray[np.uint8] | None]


def is_live(text: str) -> bool:
    """Whether an input is a camera, by its number, or a stream, by its address; a file of that name is neither."""
    if Path(text).exists():
        return False
    return (text.isdecimal() and len(text) < 4) or text.partition("://")[0] in _STREAMS


class LiveSource:
    """A camera or a stream.

    Attributes:
        name: what its results are named by.
    """

    def __init__(self, text: str) -> None:
        """Opens nothing yet.

        Raises:
            LsegError: the address holds a password.
        """
        self._text = text
        parts = urlsplit(text)
        if parts.username or parts.password:
            raise LsegError(
                f"The address holds a password, which journals would keep; put user:password into {_LOGIN}."
            )
        self.name = (
            f"camera-{text}"
            if text.isdecimal()
            else "".join(
                each if each.isalnum() or each in "-." else "-" for each in f"{parts.hostname or 'stream'}{parts.path}"
            ).strip("-.")
        )

    def frames(self, pick: FramePick) -> Iterator[FilmFrame | None]:
        """The newest picture whenever one is asked for; None where none has come since the last one.

        Args:
            pick: at most so many a second, one of so many, and how many seconds long.

        Raises:
            DataError: it cannot be opened, or gives nothing.
            MissingError: PyAV, which reads streams, is not installed.
        """
        grabber = _Grabber(self._text, self._opened(), pick.every or 1)
        started = due = time.monotonic()
        try:
            while (now := time.monotonic()) - started < (math.inf if pick.end_s is None else pick.end_s):
                pixels = grabber.newest() if now >= due else None
                if pixels is None:
                    if grabber.is_over:
                        return
                    time.sleep(_LOOK_S)
                    yield None
                    continue
                due = now + 1 / pick.fps if pick.fps else now
                yield FilmFrame(_Still(Path(self.name), Image.fromarray(pixels)), 0, time.time_ns() // 1000)
        finally:
            grabber.close()

    def _opened(self) -> "tuple[Grab, Callable[[], None]]":
        return _camera(int(self._text)) if self._text.isdecimal() else _stream(self._text)


class _Still:
    """A picture that came; fulfils `lseg_cli.data.film_frame.FrameReader`."""

    def __init__(self, path: Path, picture: Image.Image) -> None:
        self.path = path
        self.size = (picture.height, picture.width)
        self._picture = picture

    def expect(self, index: int) -> None:
        """It is here."""

    def read(self, index: int) -> Image.Image:
        """The picture."""
        return self._picture


class _Grabber:
    """Takes every picture as it comes, so that none waits in a buffer, and keeps the newest."""

    def __init__(self, text: str, source: "tuple[Grab, Callable[[], None]]", every: int) -> None:
        self._text, self._every = text, every
        self._grab, self._close = source
        self._changed = threading.Condition()
        self._newest: NDArray[np.uint8] | None = None
        self._came = time.monotonic()
        self._count = 0
        self._is_over = self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="grab", daemon=True)
        self._thread.start()

    def newest(self) -> NDArray[np.uint8] | None:
        """The newest picture that was not taken yet; raises DataError where none comes."""
        with self._changed:
            pixels, self._newest = self._newest, None
            is_late = time.monotonic() - self._came > _PATIENCE_S
            if pixels is None and (is_late or (self._is_over and not self._count)):
                raise DataError(f"{self._text} gives no picture; check the camera, or the address.")
            return pixels

    @property
    def is_over(self) -> bool:
        """Whether no picture comes any more, and the last one was taken."""
        with self._changed:
            return self._is_over and self._newest is None

    def close(self) -> None:
        """The camera is free again."""
        self._is_closed = True
        self._thread.join(_PATIENCE_S)
        self._close()

    def _run(self) -> None:
        while not self._is_closed:
            pixels = self._grab()
            with self._changed:
                if pixels is None:
                    self._is_over = True
                    return
                self._came = time.monotonic()
                if self._count % self._every == 0:
                    self._newest = pixels
                self._count += 1


def _camera(number: int) -> "tuple[Grab, Callable[[], None]]":
    camera = cv2.VideoCapture(number)
    if not camera.isOpened():
        camera.release()
        raise DataError(f"There is no camera {number} that can be opened.")

    def grab() -> NDArray[np.uint8] | None:
        is_there, pixels = camera.read()
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8) if is_there else None

    return grab, camera.release


def _stream(address: str) -> "tuple[Grab, Callable[[], None]]":
    av = require_av()
    options = {"rtsp_transport": "tcp", "fflags": "nobuffer"}
    try:
        container = av.open(_with_login(address), options=options, timeout=_PATIENCE_S)
    except (OSError, ValueError, av.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise DataError(f"{address} cannot be opened: {reason}.") from error
    frames: Iterator[Any] = container.decode(video=0)

    def grab() -> NDArray[np.uint8] | None:
        try:
            frame = next(frames, None)
        except (OSError, ValueError, av.FFmpegError):
            return None
        return None if frame is None else np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)

    return grab, container.close


def _with_login(address: str) -> str:
    """The address with user and password from the environment."""
    user, colon, password = os.environ.get(_LOGIN, "").partition(":")
    if not colon:
        return address
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=f"{quote(user, '')}:{quote(password, '')}@{parts.netloc}"))
