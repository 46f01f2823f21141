"""How near each pixel of an embedded picture is to a text: the correlation of the paper, before any regulariser."""

import numpy as np
from PIL import Image

from lseg_cli.inference.embedding import Embedding
from lseg_cli.inference.interpolation import Floats, aligned, double
from lseg_cli.inference.relabel import Scorer


def similarity(embedding: Embedding, text: Floats) -> Floats:
    """Cosines of every pixel with texts, brought to the picture's size as masks are.

    Args:
        embedding: of a picture of H x W pixels.
        text: (N, C) embeddings.

    Returns:
        (N, H, W) float32 between -1 and 1.

    Raises:
        MismatchError: the texts' embeddings have another width.
    """
    return at_picture_size(Scorer(embedding).cosines(text), embedding.info.picture_px)


def at_picture_size(cosines: Floats, size: tuple[int, int]) -> Floats:
    """(N, h, w) cosines at half the network's size -> (N, H, W) between -1 and 1, by the way that masks go."""
    height, width = size
    maps = [Image.fromarray(_doubled(each)).resize((width, height), Image.Resampling.BILINEAR) for each in cosines]
    found: Floats = np.clip(np.stack([np.asarray(each, np.float32) for each in maps]), -1, 1)
    return found


def _doubled(values: Floats) -> Floats:
    """(h, w) -> (2h, 2w), with `align_corners=True` as the model does it."""
    height, width = values.shape
    down = np.empty((2 * height, width), np.float32)
    double(values, aligned(height), down)
    across = np.empty((2 * width, 2 * height), np.float32)
    double(np.ascontiguousarray(down.T), aligned(width), across)
    result: Floats = across.T
    return result
