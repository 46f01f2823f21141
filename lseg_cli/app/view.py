"""What a picture and labels give to look at: numbers first, then the drawing. All at the size at which it is shown."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lseg_cli.app.pictures import EmbeddedPicture
from lseg_cli.data.labels import IGNORE_8_BIT, LabelSet
from lseg_cli.drawing.overlay import Color, Ids, alone, heat_map, outline, tint
from lseg_cli.drawing.palette import colors
from lseg_cli.errors import DataError
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.similarity import at_picture_size
from lseg_cli.inference.upsampling import Band, Grid, upsample_best
from lseg_cli.inference.winner import Index

Kind = Literal["masks", "outlines", "one label", "heat map"]
KINDS: tuple[Kind, ...] = ("masks", "outlines", "one label", "heat map")
BEST = 5  # labels that a click lists


@dataclass(frozen=True)
class View:
    """What the network says of a picture for some labels.

    Attributes:
        labels: N of them.
        scores: (N, h / 2, w / 2) of the network's size.
        index: (H, W) the best label's position, at the size at which the picture is shown.
        confidence: (N,) the mean probability of each label where it wins, over the network's own scores; 0 where none.
    """

    labels: LabelSet
    scores: Floats
    index: Index
    confidence: Floats

    @property
    def bytes(self) -> int:
        """Of memory."""
        return self.scores.nbytes + self.index.nbytes + self.confidence.nbytes


@dataclass(frozen=True)
class Certainty:
    """How sure the network is of each pixel.

    Attributes:
        first: (H, W) the probability of the best label.
        lead: (H, W) by how much it is above that of the second.
    """

    first: Floats
    lead: Floats

    @property
    def bytes(self) -> int:
        """Of memory."""
        return self.first.nbytes + self.lead.nbytes


@dataclass(frozen=True)
class Look:
    """How a view is drawn.

    Attributes:
        kind: one of `KINDS`.
        label: the position of the one that 'one label' and 'heat map' show.
        opacity: of the colours.
    """

    kind: Kind = "masks"
    label: int = 0
    opacity: float = 0.5


def make_view(picture: EmbeddedPicture, labels: LabelSet, vectors: Floats, threads: int = 1) -> View:
    """Ask a picture for labels.

    Args:
        picture: embedded.
        labels: N of them.
        vectors: (N, C) of theirs.
        threads: of the CPU.

    Raises:
        DataError: the network's answer is not a number.
        MismatchError: the labels' vectors have another width.
    """
    scores = picture.scorer.scores(vectors)
    winner = scores.argmax(0)
    sure = 1 / np.exp(scores - scores.max(0)).sum(0)
    if not np.isfinite(sure).all():
        raise DataError("The network's answer is not a number; try --precision fp32.")
    counts = np.bincount(winner.ravel(), minlength=len(scores))
    sums = np.bincount(winner.ravel(), sure.ravel(), minlength=len(scores))
    best, _ = upsample_best(scores, picture.shape, 1, False, threads)
    return View(labels, scores, best[0], (sums / np.maximum(counts, 1)).astype(np.float32))


def make_certainty(view: View, threads: int = 1) -> Certainty:
    """The probabilities of every pixel, as `lseg segment` has them at this size; takes longer than a view."""
    count = min(2, len(view.scores))
    _, probability = upsample_best(view.scores, view.index.shape, count, True, threads)
    if probability is None:
        raise ValueError("probabilities were asked for")
    return Certainty(probability[0], probability[0] - probability[1] if count == 2 else probability[0])


def ids_of(
    view: View, valid: NDArray[np.bool_] | None, certainty: Certainty | None, min_confidence: float, min_margin: float
) -> Ids:
    """(H, W) ids of the labels, with the ignore id where the network is not sure enough or there is no data."""
    labels = view.labels
    ids: Ids = np.take(np.array(labels.ids, np.uint8 if labels.ignore_id == IGNORE_8_BIT else np.uint16), view.index)
    if certainty is not None:
        ids[certainty.first < min_confidence] = labels.ignore_id
        if len(labels.labels) > 1:
            ids[certainty.lead < min_margin] = labels.ignore_id
    if valid is not None:
        ids[~valid] = labels.ignore_id
    return ids


def shares_of(ids: Ids, labels: LabelSet) -> list[float]:
    """The share of each label in (H, W) ids, in order; what is missing from 1 has no label."""
    counts = np.bincount(ids.ravel(), minlength=labels.ignore_id + 1)
    return [float(counts[id_] / ids.size) for id_ in labels.ids]


def draw(picture: EmbeddedPicture, view: View, ids: Ids, look: Look, vectors: Floats) -> NDArray[np.uint8]:
    """(H, W, 3) RGB.

    Args:
        picture: of the view.
        view: of the picture.
        ids: of the view.
        look: how it is drawn; a label that is not there is the last one.
        vectors: (N, C) of the labels.
    """
    labels, palette = view.labels, palette_of(view.labels)
    number = min(max(look.label, 0), len(palette) - 1)
    if look.kind == "heat map":
        near = at_picture_size(picture.scorer.cosines(vectors[number : number + 1]), picture.shape)[0]
        return heat_map(picture.pixels, near, look.opacity)
    if look.kind == "one label":
        return alone(picture.pixels, ids, labels.ids[number], palette[number], look.opacity)
    if look.kind == "outlines":
        return outline(picture.pixels, ids, labels, palette)
    return tint(picture.pixels, ids, labels, palette, look.opacity)


def palette_of(labels: LabelSet) -> list[Color]:
    """The colours of labels, in order."""
    return colors(labels)


def best_at(view: View, row: int, column: int) -> list[tuple[str, float]]:
    """The best labels of one pixel as shown, at most `BEST`, with their probabilities; the best first."""
    height, width = view.index.shape
    row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
    grid = Grid.of((view.scores.shape[1], view.scores.shape[2]), (height, width))
    band = Band(view.scores, grid, slice(row, row + 1), slice(column, column + 1))
    logits = np.array([band.upsampled(label)[0, 0] for label in range(len(view.scores))])
    probability = np.exp(logits - logits.max())
    probability /= probability.sum()
    order = np.argsort(-probability, kind="stable")[:BEST]
    return [(view.labels.names[label], float(probability[label])) for label in order]
