"""The common part of runs over pictures: reading one, and opening the engine that infers it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.contract import Engine, GraphSpec
from lseg_cli.data.film_frame import FilmFrame
from lseg_cli.data.images import Picture, PictureError
from lseg_cli.data.images import open_picture as read_picture
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.inference.segmentation import Stopwatch
from lseg_cli.results.records import Failed, Item, Stamp
from lseg_cli.runs.options import count_streams
from lseg_cli.runs.steps import FULL_MEMORY

OpenEngine = Callable[[EngineChoice], Engine]
ReadSpec = Callable[[str], GraphSpec]


@dataclass(frozen=True)
class LoadedPicture:
    """A picture that was read.

    Attributes:
        item: what it is.
        stamp: state of its file before it was read.
        size: (H, W) as displayed.
        image: (1, h, w, 3) uint8 at the network's size; empty where tiles are cut from the picture.
        picture: in RGB; None where nothing after the network needs it.
        ms: milliseconds of reading and preprocessing.
        valid: (H, W), False where the picture holds no data; None: it does everywhere.
        values: how its numbers became 8 bits.
    """

    item: Item
    stamp: Stamp
    size: tuple[int, int]
    image: NDArray[np.uint8]
    picture: Image.Image | None
    ms: dict[str, float]
    valid: NDArray[np.bool_] | None = None
    values: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the image."""
        return self.image.shape

    @property
    def held_px(self) -> int | None:
        """A label a pixel is to come where the picture is not kept."""
        return None if self.picture is not None else self.size[0] * self.size[1] // 4


@dataclass(frozen=True)
class OpenedPicture:
    """A picture as it is displayed.

    Attributes:
        read: with what is known of its values.
        stamp: state of its file before it was read.
        read_ms: milliseconds, without those of waiting for memory.
    """

    read: Picture
    stamp: Stamp
    read_ms: float

    @property
    def picture(self) -> Image.Image:
        """The picture in RGB."""
        return self.read.image

    @property
    def valid(self) -> NDArray[np.bool_] | None:
        """The same as in `Picture`."""
        return self.read.valid

    @property
    def values(self) -> str:
        """The same as in `Picture`."""
        return self.read.values

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.picture.height, self.picture.width


def open_picture(item: Item, max_megapixels: float, admit: Callable[[int], None]) -> OpenedPicture | Failed:
    """Reads and decodes a picture.

    Args:
        item: whose source is a picture.
        max_megapixels: as in `lseg_cli.data.images.open_picture`.
        admit: as in `Steps.load`.
    """
    waits: list[float] = []

    def wait(pixels: int) -> None:
        watch = Stopwatch()
        admit(pixels)
        waits.append(watch.ms)

    path = item.source.path
    try:
        stamp, watch = Stamp.of(path), Stopwatch()
        picture = _read_frame(path, wait) if isinstance(path, FilmFrame) else read_picture(path, max_megapixels, wait)
        return OpenedPicture(picture, stamp, round(watch.ms - sum(waits), 3))
    except PictureError as error:
        return Failed(str(path), error.stage, str(error))
    except MemoryError:
        return Failed(str(path), "decode", FULL_MEMORY)


def _read_frame(frame: FilmFrame, admit: Callable[[int], None]) -> Picture:
    height, width = frame.film.size
    admit(height * width)
    return Picture(frame.film.read(frame.index))


def count_cores(threads: int | None) -> int:
    """Cores that a run may use: as many as it was given, or all."""
    return threads or os.cpu_count() or 1


def plan_streams(choice: EngineChoice, batch: int | None, pictures: int) -> int:
    """Return how many pictures a CPU infers side by side, for a number of pictures."""
    return count_streams(count_cores(choice.threads), pictures) if batch in (None, 1) else 1


def open_beside(choice: EngineChoice, streams: int, open_engine: OpenEngine) -> Engine:
    """An engine for so many pictures side by side, which share the cores; raises as `open_engine`."""
    threads = count_cores(choice.threads) // streams if streams > 1 else choice.threads
    return open_engine(replace(choice, threads=threads))
