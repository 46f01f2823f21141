"""What is known of a picture once it is segmented, and how long each step took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.winner import Index


@dataclass(frozen=True)
class Segmentation:
    """What is known of a picture of H x W pixels.

    Attributes:
        best: (K, H, W) positions in the label set, the best first.
        probability: (K, H, W) float32, their softmax; None if it was not asked for.
        mean_confidence: over the network's own scores, so it is the same whatever is asked for.
        ms: milliseconds of preprocess, infer and postprocess.
    """

    best: Index
    probability: Floats | None
    mean_confidence: float
    ms: dict[str, float]

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


@contextmanager
def stopwatch(ms: dict[str, float], stage: str, adds: bool = False) -> Iterator[None]:
    """Notes under `stage` how many milliseconds its block took, or adds them."""
    start = time.perf_counter()
    yield
    ms[stage] = round((time.perf_counter() - start) * 1000 + (ms[stage] if adds else 0.0), 3)
