"""Which labels can be the best somewhere in a part of a picture, where the model has no spatial regulariser.

A pixel's value for a label is then a mean of the products of that label with a few cells of the features, and the
weights are the same for all labels: lengths and upsampling are common. So a label whose product is smaller than some
other label's in every cell of a unit is never the best there, however much both change from cell to cell; and so is
one below a mean of other labels, for the best is not below their mean. Where two things meet, only such a mean is above
all that is neither (of 1,000 labels 53 are left in a block of a street scene, 230 without it).

One matrix product of a quarter of the scores' size proves nearly all of it; of very many labels, an eighth of that: the
product in a few directions, with what is left of cells and labels as an error. Room for rounding is left, so ties stay.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.pruning import units, windows
from lseg_cli.inference.score_field import Labels, ScoreField

_DIRECTIONS = 24
_MANY = 2000  # labels from which a few directions pay
_CHUNK = 1024  # labels at a time: their products stay in a core's cache
_ROUNDING = 1e-5  # of the longest cell: what interpolation in float32 may be off


def undominated(field: ScoreField, rows: slice, columns: slice) -> Labels:
    """Labels, ascending, that can be the best of some pixel.

    Args:
        field: of a picture, without a regulariser.
        rows: of its scores.
        columns: likewise.
    """
    patch = _Patch.of(field, rows, columns)
    labels = field.all
    if len(labels) >= _MANY:
        labels = labels[patch.screened(field.words.unit)]
    products = (patch.flat @ field.words.unit[labels].T).reshape(*patch.cells.shape[:2], -1)
    kept = np.zeros(len(labels), np.bool_)
    for unit in patch.units:
        part = products[unit.place]
        good = part[unit.samples].argmax(1)
        kept |= _most(part, part[..., good].mean(2)) >= -unit.margin
    return labels[kept]


@dataclass(frozen=True)
class _Unit:
    """Some scores that are looked at together.

    Attributes:
        place: rows and columns of the cells they depend on, and all labels.
        margin: by how much a product must be smaller than another in float32 to be so for certain.
    """

    place: tuple[slice, slice]
    margin: float

    @property
    def samples(self) -> tuple[list[int], list[int]]:
        """Rows and columns, within the unit, of some of its cells: the middle and the corners."""
        y, x = (part.stop - part.start - 1 for part in self.place)
        return [y // 2, 0, 0, y, y], [x // 2, 0, x, 0, x]


@dataclass(frozen=True)
class _Patch:
    """A part of a picture.

    Attributes:
        cells: (h, w, C) float32, all that its scores depend on.
        units: of its scores.
    """

    cells: Floats
    units: list[_Unit]

    @classmethod
    def of(cls, field: ScoreField, rows: slice, columns: slice) -> "_Patch":
        down, across = field.rows.cells(rows), field.columns.cells(columns)
        cells = field.cells[down, across]
        length = np.sqrt(np.einsum("hwc,hwc->hw", cells, cells))
        relative = _ROUNDING + 2 * cells.shape[2] * 2.0**-23
        high = windows(field.rows, units(field.rows, rows), down.start)
        wide = windows(field.columns, units(field.columns, columns), across.start)
        places = [(y, x) for y in high for x in wide]
        return cls(cells, [_Unit(place, relative * float(length[place].max())) for place in places])

    @property
    def flat(self) -> Floats:
        """(R, C), R = h w."""
        return self.cells.reshape(-1, self.cells.shape[2])

    def screened(self, words: Floats) -> NDArray[np.bool_]:
        """(N,) whether a label is left, from products in a few directions."""
        flat, shape = self.flat, self.cells.shape[:2]
        directions = _directions(flat)
        near = flat @ directions
        rest = np.linalg.norm(flat - near @ directions.T, axis=1).reshape(shape)
        rests = [float(rest[unit.place].max()) for unit in self.units]
        inside = words @ directions
        outside = np.sqrt(np.maximum(1 - np.einsum("nd,nd->n", inside, inside), 0)) + np.float32(1e-5)
        bars = self._bars(near, inside, words)
        kept = np.zeros(len(words), np.bool_)
        for first in range(0, len(words), _CHUNK):
            some = slice(first, first + _CHUNK)
            products = (near @ inside[some].T).reshape(*shape, -1)
            for unit, bar, off in zip(self.units, bars, rests, strict=True):
                kept[some] |= _most(products[unit.place], bar) >= -unit.margin - off * outside[some]
        return kept

    def _bars(self, near: Floats, inside: Floats, words: Floats) -> list[Floats]:
        """The mean products of some good labels of each unit with its cells, (y, x)."""
        shape = self.cells.shape[:2]
        places = np.arange(len(near)).reshape(shape)
        samples = np.concatenate([places[unit.place][unit.samples] for unit in self.units])
        good, which = np.unique((near[samples] @ inside.T).argmax(1), return_inverse=True)
        products = (self.flat @ words[good].T).reshape(*shape, -1)
        each = which.reshape(len(self.units), -1)
        return [products[unit.place][..., own].mean(2) for unit, own in zip(self.units, each, strict=True)]


def _most(products: Floats, bar: Floats) -> Floats:
    """(y, x, K), (y, x) -> (K,), by how much the products of a label exceed others at most."""
    most: Floats = (products - bar[..., None]).reshape(-1, products.shape[2]).max(0)
    return most


def _directions(cells: Floats) -> Floats:
    """(R, C) -> (C, D) orthonormal, in which most of the cells lie: Halko et al. 2011, one power iteration."""
    random = np.random.default_rng(0).standard_normal((len(cells), _DIRECTIONS), np.float32)
    for _ in range(2):
        random = cells @ (cells.T @ random)
    directions: Floats = np.linalg.qr(cells.T @ random)[0]
    return directions
