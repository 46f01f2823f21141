"""Does an exported model answer as the one it was made from? Asked at the corners of what it claims to take.

An exporter freezes an axis at the batch, the number of labels or the size it was shown; then one picture with three
labels is right and three pictures with one label are not. So every pair of the smallest and larger counts is run.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from lseg_cli.bench.made_input import make_pictures, make_text
from lseg_cli.contract import Engine, GraphSpec
from lseg_cli.errors import VerificationError

Picture = NDArray[np.uint8]

BATCHES = (1, 3)
LABEL_COUNTS = (1, 2, 7, 150, 257)  # one label; one more than a byte's worth; and what people use
SIZES = ((96, 160), (224, 128))  # (height, width) in px for a graph of free size: one lies, one stands
MOST_LOGITS = 200_000_000  # of one comparison: 3 pictures of 480x480 with 257 labels are just within


@dataclass(frozen=True)
class Limits:
    """What still counts as equal.

    Attributes:
        difference: the largest of the logits.
        equal: least share of pixels with the same label.
    """

    difference: float
    equal: float


# Logits lie between -14 and 14. In half precision the labels decide; the difference is there for a lone label, which
# always wins. bfloat16 has an eighth of float16's digits. int8 costs what it costs: the limit is for what is broken.
LIMITS = {
    "fp32": Limits(1e-4, 0.9999),
    "fp16": Limits(0.5, 0.999),
    "bf16": Limits(1.0, 0.98),
    "int8": Limits(14.0, 0.5),
}


@dataclass(frozen=True)
class Corner:
    """One comparison.

    Attributes:
        batch: pictures.
        labels: their number.
        height_px: of the pictures.
        width_px: of the pictures.
        difference: the largest between two logits.
        equal: share of pixels with the same label.
    """

    batch: int
    labels: int
    height_px: int
    width_px: int
    difference: float
    equal: float


def compare(reference: Engine, candidate: Engine, pictures: Sequence[Picture] = ()) -> Iterator[Corner]:
    """Runs both engines at every corner that the candidate claims to take.

    Args:
        reference: the model itself.
        candidate: what was made of it.
        pictures: (h, w, 3) uint8 each, to be compared on, squashed to every corner's size; none: made ones.
    """
    spec = candidate.spec
    for (height, width), batch, count in _corners(spec):
        image = fit(pictures, batch, height, width) if pictures else make_pictures(batch, height, width)
        text = make_text(count, spec.model.text.width)
        yield Corner(batch, count, height, width, *_compare(reference, candidate, image, text))


def count_corners(spec: GraphSpec) -> int:
    """How many comparisons `compare` makes."""
    return len(_corners(spec))


def share_equal(corners: Sequence[Corner]) -> float:
    """Share of pixels with the same label, over all corners: one pixel between two labels weighs little."""
    pixels = [corner.batch * corner.height_px * corner.width_px for corner in corners]
    return sum(count * corner.equal for count, corner in zip(pixels, corners, strict=True)) / sum(pixels)


def summarize(corners: Sequence[Corner]) -> dict[str, float]:
    """How many comparisons, the largest difference of logits and the share of equal labels, by name."""
    return {
        "corners": len(corners),
        "difference": max(corner.difference for corner in corners),
        "equal": share_equal(corners),
    }


def check(corners: Sequence[Corner], precision: str) -> None:
    """Whether a comparison is within the limits of a precision.

    Raises:
        VerificationError: it is not; says where it is worst.
    """
    limits, equal = LIMITS[precision], share_equal(corners)
    # Written so that an answer that is not a number fails.
    if equal >= limits.equal and all(corner.difference <= limits.difference for corner in corners):
        return
    worst = max(corners, key=lambda corner: (np.isnan(corner.difference), corner.difference))
    raise VerificationError(
        f"The exported model does not answer as its source: {equal:.3%} of labels are equal, and logits differ by up "
        f"to {worst.difference:.2g} ({worst.batch} pictures of {worst.height_px}x{worst.width_px}, {worst.labels} "
        f"labels); {precision} must have {limits.equal:.2%} equal and logits within {limits.difference:g}."
    )


def fit(pictures: Sequence[Picture], batch: int, height_px: int, width_px: int) -> Picture:
    """The first `batch` of some pictures, again from the first if they are too few: (B, H, W, 3) uint8."""
    chosen = [pictures[index % len(pictures)] for index in range(batch)]
    return np.stack([cv2.resize(each, (width_px, height_px), interpolation=cv2.INTER_AREA) for each in chosen])


def _corners(spec: GraphSpec) -> list[tuple[tuple[int, int], int, int]]:
    """Size, batch and label count of every comparison."""
    sizes = SIZES if spec.height_px is None or spec.width_px is None else ((spec.height_px, spec.width_px),)
    batches = [each for each in BATCHES if each <= (spec.max_batch or each)]
    counts = [each for each in LABEL_COUNTS if each <= (spec.max_labels or each)]
    corners = product(sizes, batches, counts)
    return [(size, batch, count) for size, batch, count in corners if math.prod(size) * batch * count <= MOST_LOGITS]


def _compare(
    reference: Engine, candidate: Engine, image: NDArray[np.uint8], text: NDArray[np.float32]
) -> tuple[float, float]:
    """The largest difference of logits, and the share of equal labels.

    The candidate gets all pictures at once, the reference one by one: two arrays of all logits would be gigabytes.
    """
    theirs = candidate.run(image, text, ("logits", "mask"))
    differences, equal = list[float](), list[float]()
    for number, (logits, mask) in enumerate(zip(theirs["logits"], theirs["mask"], strict=True)):
        ours = reference.run(image[[number]], text, ("logits", "mask"))
        right = np.asarray(ours["logits"][0], np.float32)
        difference = np.subtract(right, np.asarray(logits, np.float32), out=right)
        differences.append(float(max(difference.max(), -difference.min())))
        equal.append(float((ours["mask"][0] == mask).mean()))
    return float(np.max(differences)), float(np.mean(equal))  # of what is not a number: not a number
