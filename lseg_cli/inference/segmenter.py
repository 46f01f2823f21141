"""A picture and embedded labels -> the label of every pixel: preprocess -> engine -> postprocess."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import SIZE_MULTIPLE
from lseg_cli.contract import Engine
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.inference.dense import Embedding, encode

BAND_PX = 64  # rows at a time: of a 12-megapixel picture they are 1 MB, which stays in a core's cache

Floats = NDArray[np.float32]
Places = tuple[NDArray[np.intp], Floats]
Size = int | tuple[int, int] | None


@dataclass(frozen=True)
class Segmentation:
    """What is known of a picture of H x W pixels.

    Attributes:
        index: (H, W) uint16, positions in the label set.
        confidence: (H, W) float32, the softmax of the winner; None if it was not asked for.
        mean_confidence: over the network's own pixels, so it is the same whatever is asked for.
        ms: milliseconds of preprocess, infer and postprocess.
    """

    index: NDArray[np.uint16]
    confidence: Floats | None
    mean_confidence: float
    ms: dict[str, float]


class Segmenter:
    """Segments one picture after another with the same labels."""

    def __init__(
        self, engine: Engine, text: Floats, size: Size = None, with_confidence: bool = False, threads: int = 1
    ) -> None:
        """Binds labels to an engine.

        Args:
            engine: any.
            text: (N, C) embeddings of the labels.
            size: long side of the network's input in px, or its (height, width); None: as the model was trained.
            with_confidence: give the confidence of every pixel.
            threads: for postprocessing.

        Raises:
            LsegError: a size that no network takes.
            MismatchError: text or size do not fit the engine.
        """
        spec = engine.spec
        if text.ndim != 2 or text.shape[1] != spec.model.text.width:
            raise MismatchError(
                f"The labels' embeddings have shape {text.shape}; {spec.model.name} takes (N, {spec.model.text.width})."
            )
        if spec.max_labels is not None and len(text) > spec.max_labels:
            raise MismatchError(f"{len(text)} labels are given; this engine takes at most {spec.max_labels}.")
        _check_size(size, (spec.height_px, spec.width_px))
        self.engine = engine
        self.text = np.ascontiguousarray(text, np.float32)
        self.size = size
        self.with_confidence = with_confidence
        self.threads = threads

    def segment(self, picture: NDArray[np.uint8]) -> Segmentation:
        """(H, W, 3) uint8 RGB -> its segmentation at H x W.

        Raises:
            DataError: the network's answer is not a number.
        """
        ms: dict[str, float] = {}
        with stopwatch(ms, "preprocess"):
            image = self.preprocess(picture)
        with stopwatch(ms, "infer"):
            tensors = self.engine.run(image, self.text, ("logits", "confidence"))
        with stopwatch(ms, "postprocess"):
            mean = float(tensors["confidence"].astype(np.float32).mean())
            if not np.isfinite(mean):
                raise DataError("The network's answer is not a number; try --precision fp32.")
            height, width = picture.shape[:2]
            logits = tensors["logits"][0].astype(np.float32, copy=False)
            index, confidence = upsample_winner(logits, (height, width), self.with_confidence, self.threads)
        return Segmentation(index, confidence, mean, ms)

    def encode(self, picture: NDArray[np.uint8], stride: int = 4) -> Embedding:
        """(H, W, 3) uint8 RGB -> its embedding, float16 at stride 4 or 2: see `lseg_cli.inference.dense`.

        Raises:
            MismatchError: the engine is an exported graph, which gives masks only.
            DataError: the network's answer is not a number.
        """
        return encode(self.engine, self.preprocess(picture), (picture.shape[0], picture.shape[1]), stride)

    def relabel(self, embedding: Embedding, text: Floats) -> Segmentation:
        """What `segment` would give for other labels, (N, C), from a picture's embedding: no image encoder.

        Raises:
            MismatchError: the labels' embeddings have another width.
        """
        from lseg_cli.inference.relabel import relabel  # noqa: PLC0415  PyTorch, which an ONNX file does without

        return relabel(embedding, text, self.with_confidence, self.threads)

    def preprocess(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 -> (1, h, w, 3) uint8 at the network's size: averaged when shrinking, else interpolated."""
        height, width = picture.shape[:2]
        if isinstance(self.size, tuple):
            rows, columns = self.size
        else:
            long_side_px = self.size or self.engine.spec.model.image.long_side_px
            rows, columns = self.engine.spec.input_size(height, width, long_side_px)
        shrinks = rows * columns < height * width
        resized = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return np.ascontiguousarray(resized[None], np.uint8)


@contextmanager
def stopwatch(ms: dict[str, float], stage: str) -> Iterator[None]:
    """Notes under `stage` how many milliseconds its block took."""
    start = time.perf_counter()
    yield
    ms[stage] = round((time.perf_counter() - start) * 1000, 3)


def upsample_winner(
    logits: Floats, size: tuple[int, int], with_confidence: bool, threads: int = 1, band_px: int = BAND_PX
) -> tuple[NDArray[np.uint16], Floats | None]:
    """The winner of bilinearly upsampled logits and its softmax, without ever holding them for all labels.

    Bilinear with half-pixel centres (`align_corners=False`). Bands of rows give exactly what the whole would give,
    which `cv2.resize` does not: its last bit depends on the number of rows (it would be a quarter faster). Per band,
    one pass over the labels that can win there finds the winner, and one over all labels sums exp(logit - winner's
    logit), which cannot overflow.

    Args:
        logits: (N, h, w).
        size: (H, W) wanted.
        with_confidence: whether to compute it.
        threads: bands at a time.
        band_px: rows of a band.

    Returns:
        (H, W) uint16 index, the lower one of equals, and (H, W) float32 confidence or None.
    """
    index = np.empty(size, np.uint16)
    confidence = np.empty(size, np.float32) if with_confidence else None
    row, down = _places(logits.shape[1], size[0])
    columns = _places(logits.shape[2], size[1])

    def fill(top: int) -> None:
        band = slice(top, min(top + band_px, size[0]))
        near = logits[:, row[band][0] : row[band][-1] + 2]
        rows = _Band(near, (row[band] - row[band][0], down[band]), columns)
        best = rows.find_winner(index[band])
        if confidence is not None:
            confidence[band] = 1 / rows.sum_of_exp(best)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(fill, range(0, size[0], band_px)):
            pass
    return index, confidence


class _Band:
    """b rows of upsampled logits, made label by label."""

    def __init__(self, near: Floats, rows: Places, columns: Places) -> None:
        """`near` (N, r, w): the logits around the band; `rows` and `columns`: where its pixels lie among them."""
        self._near, self._rows, self._columns = near, rows, columns
        self._wide = _pair(near.shape[1], len(columns[0]))
        self._full = _pair(len(rows[0]), len(columns[0]))

    def _upsampled(self, label: int) -> Floats:
        """(b, W), until the next call: fresh memory for every label would cost ten times the arithmetic."""
        wide = _between(self._near[label], self._columns, 1, self._wide)
        return _between(wide, self._rows, 0, self._full)

    def find_winner(self, index: NDArray[np.uint16]) -> Floats:
        """Fills `index` (b, W); returns the winners' logits (b, W)."""
        first, *others = self._contenders()
        index[...] = first
        best = self._upsampled(first).copy()
        is_better = np.empty(best.shape, np.bool_)
        for label in others:
            logit = self._upsampled(label)
            np.greater(logit, best, out=is_better)
            np.maximum(logit, best, out=best)
            np.copyto(index, label, where=is_better)
        return best

    def _contenders(self) -> list[int]:
        """Labels, ascending, that can win somewhere in the band: the others are below some label at every corner.

        Between four logits an interpolated one lies between the least and the greatest. So a label whose greatest is
        below another's least loses there for certain. Of 150 labels on a photograph some 30 are left.
        """
        right = np.minimum(np.arange(self._near.shape[2]) + 1, self._near.shape[2] - 1)
        most, least = self._near.max(1), self._near.min(1)  # (N, w)
        most, least = np.maximum(most, most[:, right]), np.minimum(least, least[:, right])
        rounding = 1e-5 * np.abs(self._near).max()
        return [int(label) for label in np.flatnonzero((most >= least.max(0) - rounding).any(1))]

    def sum_of_exp(self, best: Floats) -> Floats:
        """The sum over labels of exp(logit - best), (b, W), at least 1."""
        total = np.zeros_like(best)
        for label in range(len(self._near)):
            logit = self._upsampled(label)
            logit -= best
            total += np.exp(logit, out=logit)
        return total


def _pair(height: int, width: int) -> tuple[Floats, Floats]:
    return np.empty((height, width), np.float32), np.empty((height, width), np.float32)


def _places(count: int, wanted: int) -> Places:
    """Where `wanted` points lie on a line of `count`: behind which one (wanted,), and how far behind it (0 to 1)."""
    position = ((np.arange(wanted) + 0.5) * (count / wanted) - 0.5).clip(0, count - 1)
    before = position.astype(np.intp)
    return before, (position - before).astype(np.float32)


def _between(x: Floats, places: Places, axis: Literal[0, 1], memory: tuple[Floats, Floats]) -> Floats:
    """Interpolates a matrix along an axis; only sums and products of single elements, so exact in any cutting.

    Args:
        x: (r, w).
        places: along the axis.
        axis: of `x`.
        memory: twice (r', w'), the size of the result; overwritten.

    Returns:
        (r', w'), the first part of `memory`.
    """
    before, fraction = places
    values, start = memory
    step = np.diff(x, axis=axis, append=x.take([-1], axis=axis))
    np.take(step, before, axis, out=values, mode="clip")  # with the default mode numpy would copy
    np.take(x, before, axis, out=start, mode="clip")
    values *= fraction if axis == 1 else fraction[:, None]
    values += start
    return values


def _check_size(size: Size, fixed: tuple[int | None, int | None]) -> None:
    sides = () if size is None else (size,) if isinstance(size, int) else size
    if any(side < SIZE_MULTIPLE for side in sides):
        raise LsegError(f"The size {size} is too small; both sides must be at least {SIZE_MULTIPLE} pixels.")
    if isinstance(size, int) and fixed[0] and fixed[1] and size != max(fixed[0], fixed[1]):
        raise MismatchError(f"The size {size} is given; this engine takes {fixed[0]}x{fixed[1]} only.")
    if isinstance(size, tuple):
        if any(side % SIZE_MULTIPLE for side in size):
            raise LsegError(f"The size {size[0]}x{size[1]} cannot be used; sides must be multiples of {SIZE_MULTIPLE}.")
        if None not in fixed and size != fixed:
            raise MismatchError(f"The size {size[0]}x{size[1]} is given; this engine takes {fixed[0]}x{fixed[1]} only.")
