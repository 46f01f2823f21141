"""How different two colours look, also to people who do not tell red from green.

Distances are those of Oklab (Ottosson, "A perceptual color space for image processing", 2020), in which 0.02 is about
the least that can be seen side by side. Colours as seen without one kind of cone are after Machado, Oliveira and
Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), severity 1.0. Lightness
counts half: an overlay mixes colours with a photograph, which has a lightness of its own. Without red and green there
is little left but lightness, so there it counts in full, and a smaller difference will do.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RGB = tuple[int, int, int]

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
_DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
_LIGHTNESS = 0.5
_COLOR_BLIND = 2.0
_STEP = 17  # of the colours that there are to choose from: 16 values a channel
_LEAST_CHROMA, _LIGHTNESSES = 0.05, (0.25, 0.93)  # no greys, and nothing that is nearly black or white


@dataclass(frozen=True)
class Seen:
    """Colours as they look.

    Attributes:
        views: (3, N, 3) Oklab: to most people, without red and without green cones.
    """

    views: Floats

    @classmethod
    def of(cls, colors: NDArray[np.uint8]) -> "Seen":
        """Of (N, 3) sRGB."""
        share = colors / 255.0
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        blind = (linear @ cones.T for cones in (_PROTANOPIA, _DEUTERANOPIA))
        return cls(np.stack([_oklab(each.clip(0, 1)) for each in (linear, *blind)]))

    def differences(self, other: "Seen") -> Floats:
        """(N, M) of these and others: the least over all eyes; from 0.1 nobody takes one for the other."""
        apart = self.views[:, :, None] - other.views[:, None]
        apart[0, ..., 0] *= _LIGHTNESS
        distance = np.sqrt((apart**2).sum(-1))
        distance[1:] *= _COLOR_BLIND
        return np.asarray(distance.min(0))


class Chooser:
    """Colours to choose from, and how different each is from all that were taken."""

    def __init__(self, taken: list[RGB]) -> None:
        """Take some colours before."""
        self._colors, self._seen = _choice()
        self._taken: list[Seen] = []
        self._nearest = np.full(len(self._colors), np.inf)
        for color in taken:
            self.take(color)

    def take(self, color: RGB) -> None:
        """It is a label's now."""
        seen = Seen.of(np.array([color], np.uint8))
        self._taken.append(seen)
        self._nearest = np.minimum(self._nearest, self._seen.differences(seen)[:, 0])

    def is_free(self, color: RGB, least: float) -> bool:
        """Whether a colour is that different from all that were taken."""
        seen = Seen.of(np.array([color], np.uint8))
        return all(seen.differences(each)[0, 0] >= least for each in self._taken)

    def nearest(self, color: RGB, least: float) -> RGB | None:
        """The colour that looks most like another one, among those that differ so much from all taken; None: none."""
        free = self._nearest >= least
        if not free.any():
            return None
        wanted = Seen.of(np.array([color], np.uint8)).views[0, 0]
        distance = np.linalg.norm(self._seen.views[0] - wanted, axis=1)
        distance[~free] = np.inf
        red, green, blue = self._colors[distance.argmin()].tolist()
        return red, green, blue


def _oklab(linear: Floats) -> Floats:
    return np.asarray(np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T)


@cache
def _choice() -> tuple[NDArray[np.uint8], Seen]:
    values = np.arange(0, 256, _STEP).astype(np.uint8)
    colors = np.stack(np.meshgrid(values, values, values, indexing="ij"), -1).reshape(-1, 3)
    lab = Seen.of(colors).views[0]
    low, high = _LIGHTNESSES
    is_vivid = (np.hypot(lab[:, 1], lab[:, 2]) > _LEAST_CHROMA) & (lab[:, 0] > low) & (lab[:, 0] < high)
    return colors[is_vivid], Seen(Seen.of(colors[is_vivid]).views)
