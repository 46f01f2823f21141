"""Pictures into files: whole, or an error that the system gives a reason for."""

import io
from pathlib import Path
from typing import Literal

from PIL import Image


def encode_picture(picture: Image.Image, kind: Literal["PNG", "JPEG"], quality: int = 90) -> bytes:
    """Return the bytes of a picture's file; `quality` is JPEG's."""
    file = io.BytesIO()
    picture.save(file, kind, quality=quality)
    return file.getvalue()


def write_picture(path: Path, picture: Image.Image, kind: Literal["PNG", "JPEG"], quality: int = 90) -> None:
    """Write a picture's file; the extension does not matter.

    Pillow takes what a full disk still took of a file for all of it, so that it writes to memory.

    Raises:
        OSError: it cannot be written.
    """
    path.write_bytes(encode_picture(picture, kind, quality))
