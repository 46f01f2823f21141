"""Pictures and label embeddings made from random numbers, to time engines on and to compare them with."""

from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

OCTAVES = 5


def make_pictures(batch: int, height_px: int, width_px: int) -> NDArray[np.uint8]:
    """Pictures as nature has them, as far as statistics go: structure at every scale, the coarse ones strongest.

    Returns:
        (B, H, W, 3) uint8, always the same.
    """
    random = np.random.default_rng(0)
    pictures = np.zeros((batch, height_px, width_px, 3), np.float32)
    for index, octave in product(range(batch), range(OCTAVES)):
        side = 3 * 2**octave
        noise = random.standard_normal((side, side, 3)).astype(np.float32)
        pictures[index] += cv2.resize(noise, (width_px, height_px), interpolation=cv2.INTER_CUBIC) / 2**octave
    return (pictures * 48 + 128).clip(0, 255).astype(np.uint8)


def make_text(count: int, width: int) -> NDArray[np.float32]:
    """Embeddings of labels that mean nothing in particular: (N, C), unit length, always the same."""
    text = np.random.default_rng(1).standard_normal((count, width)).astype(np.float32)
    unit: NDArray[np.float32] = text / np.linalg.norm(text, axis=1, keepdims=True)
    return unit
