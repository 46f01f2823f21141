"""Pictures as the page shows them: read by the pipeline's own reader, embedded once, kept small."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.app.memory import Memory
from lseg_cli.app.models import OpenModel
from lseg_cli.data.images import MAX_MEGAPIXELS, open_picture, resized
from lseg_cli.data.store import Place
from lseg_cli.inference.relabel import Scorer
from lseg_cli.results.records import Stamp

DISPLAY_PX = 960  # long side of what is shown; masks that are taken away have the picture's own size
UPLOAD_MEGAPIXELS = 100  # of a picture that is not the command line's


@dataclass(frozen=True)
class Chosen:
    """A picture that somebody chose.

    Attributes:
        path: of its file.
        title: to be shown.
        is_upload: it came through the page.
    """

    path: Place
    title: str
    is_upload: bool = False

    @property
    def most_megapixels(self) -> int:
        """That are read."""
        return UPLOAD_MEGAPIXELS if self.is_upload else MAX_MEGAPIXELS


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture to ask for any labels.

    Attributes:
        pixels: (h, w, 3) RGB, at most `DISPLAY_PX` along a side.
        size: (H, W) of the picture itself, as displayed.
        valid: (h, w), False where there is no data; None: there is everywhere.
        values: how its numbers became 8 bits; '' where they simply were.
        scorer: its scores.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    valid: NDArray[np.bool_] | None
    values: str
    scorer: Scorer

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) as shown."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def bytes(self) -> int:
        """Of memory."""
        return self.pixels.nbytes + self.scorer.bytes + (0 if self.valid is None else self.valid.nbytes)


def picture_key(chosen: Chosen, model: OpenModel) -> tuple[object, ...]:
    """All that an embedded picture depends on: the file in its state, and the model."""
    return ("picture", Stamp.of(chosen.path), model.sha256)


def embed(chosen: Chosen, model: OpenModel, memory: Memory) -> EmbeddedPicture:
    """A picture with its embedding, from the memory where it is there.

    Args:
        chosen: the picture.
        model: that embeds it.
        memory: of the page.

    Raises:
        PictureError: it cannot be read.
        DataError: the network's answer is not a number.
        MemoryFullError: the device's memory is full.
    """
    return memory.get(picture_key(chosen, model), lambda: _embedded(chosen, model))


def _embedded(chosen: Chosen, model: OpenModel) -> EmbeddedPicture:
    picture = open_picture(chosen.path, chosen.most_megapixels)
    scorer = model.encode(picture.image)
    size = (picture.image.height, picture.image.width)
    shown = shown_size(size)
    valid = picture.valid
    if valid is not None:
        valid = cv2.resize(valid.astype(np.uint8), shown[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return EmbeddedPicture(shown_pixels(picture.image, shown), size, valid, picture.values, scorer)


def shown_size(size: tuple[int, int], most_px: int = DISPLAY_PX) -> tuple[int, int]:
    """(h, w) of a picture of (H, W) as it is shown."""
    scale = min(1.0, most_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def shown_pixels(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """An RGB picture at the size at which it is shown, (h, w, 3)."""
    return np.array(image) if (image.height, image.width) == size else resized(image, *size)


def smaller(pixels: NDArray[np.uint8], most_px: int) -> NDArray[np.uint8]:
    """(h, w, 3) RGB with at most so many pixels along a side."""
    height, width, _ = pixels.shape
    return shown_pixels(Image.fromarray(pixels), shown_size((height, width), most_px))
