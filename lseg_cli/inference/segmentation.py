"""What is known of a picture once it is segmented, and how long each step took."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.winner import Index


@dataclass(frozen=True)
class Segmentation:
    """What is known of a picture of H x W pixels.

    Attributes:
        best: (K, H, W) positions in the label set, the best first.
        probability: (K, H, W) float32, their softmax; None if it was not asked for.
        mean_confidence: over the network's own scores; where there are many labels, over 64 of them.
        ms: milliseconds of each stage that made it: preprocess, infer, postprocess.
        valid: (H, W), False where the picture holds no data, so that a mask has no label; None: it does everywhere.
    """

    best: Index
    probability: Floats | None
    mean_confidence: float
    ms: dict[str, float]
    valid: NDArray[np.bool_] | None = None

    @property
    def index(self) -> Index:
        """(H, W), the winner."""
        winner: Index = self.best[0]
        return winner

    @property
    def confidence(self) -> Floats | None:
        """(H, W), the softmax of the winner; None if it was not asked for."""
        confidence: Floats | None = None if self.probability is None else self.probability[0]
        return confidence


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        """Starts it."""
        self._start = time.perf_counter()

    @property
    def ms(self) -> float:
        """Milliseconds since then."""
        return round((time.perf_counter() - self._start) * 1000, 3)
