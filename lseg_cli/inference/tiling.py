"""Pictures larger than the network should see at once: tile by tile, with blended seams.

Tiles overlap. In a strip of `overlap` pixels in the middle of what two neighbours share, one fades into the other;
beyond it a tile's border, where a network sees least, is dropped. A pixel's logits are so a mean of one, two or four
tiles', with weights that sum to one. The picture is finished cell by cell: of the row of tiles above only the strip
that fades is kept, so memory grows with a picture's width times the overlap, not with its size times the labels.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from lseg_cli.errors import LsegError
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.segmentation import Segmentation, Stopwatch
from lseg_cli.inference.segmenter import Segmenter, check_number
from lseg_cli.inference.upsampling import BAND_PX, Band, Grid, Rows, empty_index, mean_confidence, possible
from lseg_cli.inference.winner import Index

_LEAST_PX = 64


@dataclass(frozen=True)
class Tiling:
    """How pictures are cut.

    Attributes:
        tile_px: side of a tile in pixels of the picture.
        overlap_px: over which neighbours fade.
    """

    tile_px: int
    overlap_px: int

    @classmethod
    def of(cls, tile_px: int | None, overlap_px: int | None) -> "Tiling | None":
        """As the user asked; None: no tiles.

        Raises:
            LsegError: sizes that do not fit each other.
        """
        if tile_px is None:
            if overlap_px is not None:
                raise LsegError("--overlap is given without --tile; say how large the tiles shall be.")
            return None
        overlap_px = tile_px // 8 if overlap_px is None else overlap_px
        if tile_px < _LEAST_PX:
            raise LsegError(f"--tile {tile_px} is too small; tiles have at least {_LEAST_PX} pixels.")
        if not 0 <= 3 * overlap_px <= tile_px:
            raise LsegError(f"--overlap {overlap_px} is too much; at most a third of --tile {tile_px} is allowed.")
        return cls(tile_px, overlap_px)

    def is_needed(self, size: tuple[int, int]) -> bool:
        """Whether a picture of (H, W) is larger than a tile."""
        return max(size) > self.tile_px

    def spans(self, length: int) -> "list[Span]":
        """Tiles along a side of the picture, evenly spread."""
        tile = min(self.tile_px, length)
        count = 1 if length <= tile else -(-(length - self.overlap_px) // (tile - self.overlap_px))
        starts = [round(number * (length - tile) / max(1, count - 1)) for number in range(count)]
        seams = [(start + before + tile - self.overlap_px) // 2 for before, start in pairwise(starts)]
        ends = [seam + self.overlap_px for seam in seams]
        return [
            Span(start, start + tile, low, cell, high)
            for start, low, cell, high in zip(starts, [0, *seams], [*seams, length], [*ends, length], strict=True)
        ]


@dataclass(frozen=True)
class Span:
    """A tile along a side: it reads [start, stop), counts in [low, high), and is the last to count in [low, cell)."""

    start: int
    stop: int
    low: int
    cell: int
    high: int


@dataclass(frozen=True)
class Part:
    """A finished part of a picture: what is nobody else's to say.

    Attributes:
        row: number of its row of tiles.
        rows: of the picture.
        columns: of the picture.
        best: (K, h, w) positions in the label set, the best first.
        probability: (K, h, w) float32, their softmax; None if it was not asked for.
        mean_confidence: of its tile; None where the tile holds no data.
        infer_ms: milliseconds of reading and the network.
        postprocess_ms: milliseconds of the rest.
    """

    row: int
    rows: slice
    columns: slice
    best: Index
    probability: Floats | None
    mean_confidence: float | None
    infer_ms: float
    postprocess_ms: float


ReadTile = Callable[[Span, Span], Image.Image | None]  # down, across -> in RGB; None: no data


def segment_in_tiles(segmenter: Segmenter, tiling: Tiling, picture: Image.Image) -> Segmentation:
    """A picture in RGB -> its segmentation at its size.

    Raises:
        DataError: the network's answer is not a number.
        MemoryFullError: a tile does not fit into the device's memory.
    """
    size = (picture.height, picture.width)
    labels = len(segmenter.text)
    best = empty_index(labels, (min(segmenter.outputs.best, labels), *size))
    probability = np.empty(best.shape, np.float32) if segmenter.outputs.probability else None
    infer_ms = postprocess_ms = 0.0
    means = []

    def read(down: Span, across: Span) -> Image.Image:
        return picture.crop((across.start, down.start, across.stop, down.stop))

    for part in segment_parts(segmenter, tiling, size, read):
        best[:, part.rows, part.columns] = part.best
        if probability is not None:
            probability[:, part.rows, part.columns] = part.probability
        means.append(part.mean_confidence or 0.0)
        infer_ms += part.infer_ms
        postprocess_ms += part.postprocess_ms
    ms = {"infer": round(infer_ms, 3), "postprocess": round(postprocess_ms, 3)}
    return Segmentation(best, probability, float(np.mean(means)), ms)


def segment_parts(
    segmenter: Segmenter, tiling: Tiling, size: tuple[int, int], read: ReadTile, first_row: int = 0
) -> Iterator[Part]:
    """Segment a picture of any size part by part, row of tiles after row of tiles.

    Args:
        segmenter: with its labels.
        tiling: how the picture is cut.
        size: (H, W) of the picture.
        read: a tile's pixels.
        first_row: rows of tiles before this one are left out; the parts of all others are the same to the last bit.

    Raises:
        DataError: the network's answer is not a number.
        MemoryFullError: a tile does not fit into the device's memory.
    """
    rows, columns = tiling.spans(size[0]), tiling.spans(size[1])
    fade = _fade(tiling.overlap_px)
    infer = _Infer(segmenter, tiling.tile_px, read)
    above: list[Band] = []
    with ThreadPoolExecutor(segmenter.threads) as pool:
        for row, down in enumerate(rows):
            if row < first_row - 1:
                continue
            left: _Tile | None = None
            strips: list[Band] = []
            for number, across in enumerate(columns):
                watch = Stopwatch()
                tile, confidence = infer(down, across)
                infer_ms, watch = watch.ms, Stopwatch()
                if down.cell < down.high:
                    strips.append(tile.band(slice(down.cell, down.high), slice(across.low, across.high)).copied())
                if row >= first_row:
                    cell = _Cell(tile, left, above[: min(number, 1) + 1], fade)
                    del above[: min(number, 1)]  # no other cell lies below it
                    best, probability = cell.finished(segmenter, pool)
                    where = slice(down.low, down.cell), slice(across.low, across.cell)
                    yield Part(row, *where, best, probability, confidence, infer_ms, watch.ms)
                left = tile
            above = strips


class _Infer:
    """What the network says of a tile. It is asked once for all tiles without data."""

    def __init__(self, segmenter: Segmenter, tile_px: int, read: ReadTile) -> None:
        self._segmenter, self._tile_px, self._read = segmenter, tile_px, read
        self._blank: dict[tuple[int, int], Floats] = {}

    def __call__(self, down: Span, across: Span) -> "tuple[_Tile, float | None]":
        """The tile, and its mean confidence; None where there is no data."""
        size = (down.stop - down.start, across.stop - across.start)
        crop = self._read(down, across)
        if crop is not None:
            scores = self._scores(crop)
            return _Tile(scores, down, across), check_number(mean_confidence(scores))
        if size not in self._blank:
            self._blank[size] = self._scores(Image.new("RGB", (size[1], size[0])))
        return _Tile(self._blank[size], down, across), None

    def _scores(self, crop: Image.Image) -> Floats:
        segmenter, side = self._segmenter, self._tile_px
        scores = segmenter.infer_scores(segmenter.preprocess(crop, side))
        return segmenter.crop(scores, (crop.height, crop.width), long_side_px=side)


def _bands(down: Span, overlap: int) -> Iterator[slice]:
    """Rows of a cell: those that fade from the tile above, and the others some at a time."""
    top = down.low
    if overlap and top:
        yield slice(top, top + overlap)
        top += overlap
    for first in range(top, down.cell, BAND_PX):
        yield slice(first, min(first + BAND_PX, down.cell))


def _fade(overlap: int) -> Floats:
    """(overlap,) weights from 0 to 1, smooth at both ends; reversed they are what is missing to 1."""
    fade: Floats = (np.sin((np.arange(overlap) + 0.5) / max(1, overlap) * (np.pi / 2)) ** 2).astype(np.float32)
    return fade


class _Tile:
    """The network's answer to a part of the picture."""

    def __init__(self, scores: Floats, down: Span, across: Span) -> None:
        self.down, self.across = down, across
        self._scores = scores
        size = (down.stop - down.start, across.stop - across.start)
        self._grid = Grid.of((scores.shape[1], scores.shape[2]), size)

    def band(self, rows: slice, columns: slice) -> Band:
        """Rows and columns of the picture."""
        top, left = self.down.start, self.across.start
        return Band(
            self._scores,
            self._grid,
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )


@dataclass(frozen=True)
class _Cell:
    """The part of the picture in which a tile is the last to count.

    Attributes:
        tile: that one.
        left: its neighbour, if it has one.
        above: strips of the tile above its left neighbour and of the one above itself; of the latter alone in the
            first column; none in the first row.
        fade: weights of the tile at its left and upper seam.
    """

    tile: _Tile
    left: _Tile | None
    above: list[Band]
    fade: Floats

    def finished(self, segmenter: Segmenter, pool: ThreadPoolExecutor) -> tuple[Index, Floats | None]:
        """The best labels of its pixels, (K, h, w), and their probabilities if they are asked for."""
        down, across = self.tile.down, self.tile.across
        labels, outputs = len(segmenter.text), segmenter.outputs
        shape = (min(outputs.best, labels), down.cell - down.low, across.cell - across.low)
        best = empty_index(labels, shape)
        probability = np.empty(shape, np.float32) if outputs.probability else None

        def fill(band: slice) -> None:
            where = (slice(None), slice(band.start - down.low, band.stop - down.low))
            blend = self.rows(band)
            index = np.empty_like(best[where])
            logits = blend.find_best(index, blend.contenders(len(index)))
            best[where] = index
            if probability is not None:
                probability[where] = np.exp(logits - logits[0]) / blend.sum_of_exp(logits[0])

        list(pool.map(fill, _bands(down, len(self.fade))))
        return best, probability

    def rows(self, band: slice) -> "_Blend":
        """Some rows of it."""
        across = self.tile.across
        seam = slice(across.low, across.low + len(self.fade))
        own = self.tile.band(band, slice(across.low, across.cell))
        left = self.left.band(band, seam) if self.left is not None and len(self.fade) else None
        is_seam = bool(len(self.fade)) and band.start == self.tile.down.low
        return _Blend(own, left, self.above if is_seam else [], self.fade)


class _Blend(Rows):
    """Rows of a cell, faded into what lies to the left and above."""

    def __init__(self, own: Band, left: Band | None, above: list[Band], fade: Floats) -> None:
        self._own, self._left, self._above, self._fade = own, left, [*above], fade
        self.labels = own.labels

    def upsampled(self, label: int) -> Floats:
        """(b, W)."""
        logit = self._own.upsampled(label)
        if self._left is not None:
            self._to_right(logit, self._left.upsampled(label))
        if self._above:
            upper = self._above[-1].upsampled(label)[:, : logit.shape[1]]
            if len(self._above) > 1:
                self._to_right(upper, self._above[0].upsampled(label)[:, -len(self._fade) :])
            logit *= self._fade[:, None]
            logit += upper * self._fade[::-1, None]
        return logit

    def _to_right(self, logit: Floats, left: Floats) -> None:
        """Fades from `left` at the first columns."""
        seam = logit[:, : len(self._fade)]
        seam *= self._fade
        seam += left * self._fade[::-1]

    def contenders(self, count: int) -> list[int]:
        """By the least and the greatest score in the whole: a mean lies between them."""
        parts = [part.bounds() for part in (self._own, self._left, *self._above) if part is not None]
        least, most = np.min([low for low, _ in parts], axis=0), np.max([high for _, high in parts], axis=0)
        return possible(least[:, None], most[:, None], count)
