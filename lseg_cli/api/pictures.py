"""Pictures as Python programs have them: paths, PIL images, arrays."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.images import as_displayed, open_picture
from lseg_cli.data.store import locate
from lseg_cli.errors import DataError, LsegError

Picture = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]


@dataclass(frozen=True)
class ShownPicture:
    """A picture as it is displayed.

    Attributes:
        image: in RGB.
        source: the path that it was read from; None: it was given as pixels.
        valid: (H, W), False where it holds no data or nothing can be seen; None: it holds data everywhere.
    """

    image: Image.Image
    source: str | None
    valid: NDArray[np.bool_] | None = None


def read_picture(picture: Picture, admit: Callable[[int], None] = lambda _: None) -> ShownPicture:
    """Return a picture of any form in RGB; a path or a PIL image is read as the command line reads it.

    Args:
        picture: a path, a PIL image, or an (H, W, 3) uint8 array in RGB.
        admit: called with the number of pixels before they are decoded or copied; it may wait until there is memory.

    Raises:
        DataError: it cannot be read, or is empty.
        LsegError: another type, or an array of another shape.
    """
    if isinstance(picture, str | os.PathLike):
        source = os.fspath(picture)
        opened = open_picture(locate(source), admit=admit)
        return ShownPicture(opened.image, source, opened.valid)
    if isinstance(picture, Image.Image):
        if not picture.width or not picture.height:
            raise DataError("The picture is empty.")
        admit(picture.width * picture.height)
        shown = as_displayed(picture)
        return ShownPicture(shown.image, None, shown.valid)
    if not isinstance(picture, np.ndarray):
        raise LsegError(
            f"The picture is a {type(picture).__name__}; give a path, a PIL image, or an (H, W, 3) uint8 array in RGB."
        )
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise LsegError(f"The picture is {picture.dtype} {picture.shape}; it must be uint8 (H, W, 3) in RGB.")
    admit(picture.shape[0] * picture.shape[1])
    return ShownPicture(Image.fromarray(np.ascontiguousarray(picture)), None)
