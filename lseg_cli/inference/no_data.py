"""Which pixels of a picture hold data, as text that travels with its embedding: bits, compressed, in base64."""

import base64
import zlib

import numpy as np
from numpy.typing import NDArray

from lseg_cli.errors import DataError

Valid = NDArray[np.bool_] | None  # (H, W), False where there is no data; None: there is data everywhere


def packed(valid: Valid) -> str:
    """(H, W) -> text; '' where there is data everywhere."""
    return "" if valid is None else base64.b64encode(zlib.compress(np.packbits(valid).tobytes())).decode("ascii")


def unpacked(text: str, size: tuple[int, int]) -> Valid:
    """Text -> (H, W) of a size; the inverse of `packed`.

    Raises:
        DataError: it is something else, or of another size.
    """
    if not text:
        return None
    count = size[0] * size[1]
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), -(-count // 8) + 1)
    except (ValueError, zlib.error) as error:
        raise DataError("The embedding does not say which pixels hold data; embed the picture again.") from error
    if len(data) != -(-count // 8):
        raise DataError("The embedding says of another size which pixels hold data; embed the picture again.")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count)
    return bits.reshape(size).astype(np.bool_)
