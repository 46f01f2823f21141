"""Runs an exported text tower. Neither PyTorch nor open_clip is imported."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray


def embed_tokens(path: Path, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Token ids -> embeddings, on the CPU: (N, L) int64 -> (N, C) float32 of length 1.

    Args:
        path: of a file that `lseg export --with-text-encoder` wrote.
        tokens: of N texts, filled up to the tower's context length.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    embeddings: NDArray[np.float32] = session.run(["embeddings"], {"tokens": tokens})[0]
    return embeddings
