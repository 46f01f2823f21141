"""Pictures seen through windows: at many scales, as the original evaluator does (`lseg-paper`), or at one (`slide`).

At each scale of the long side, windows are laid over the picture in steps; what lies outside is black, which is
-mean / std after normalisation. Where windows overlap, their logits are averaged; those of mirror images are added to
their own, and those of all scales are added up at the picture's own size. All resizing is bilinear with
`align_corners=True`, on unrounded pixels where the engine takes them (`FloatEngine`); the others get rounded ones.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from lseg_cli.config import SIZE_MULTIPLE
from lseg_cli.contract import Engine, FloatEngine, Output
from lseg_cli.errors import DataError, LsegError, MemoryFullError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class WindowPlan:
    """How a picture is cut; by default as the original evaluator does it.

    Attributes:
        window_px: side of the square windows.
        stride_px: from one to the next.
        base_px: long side of the picture at scale 1; None: its own.
        scales: of the long side.
        mirror: each window is seen mirrored as well.
        shifts_last: the last window is moved to end with the picture; else it sticks out, into the black.
    """

    window_px: int = 480
    stride_px: int = 320
    base_px: int | None = 520
    scales: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
    mirror: bool = True
    shifts_last: bool = False

    def check(self) -> None:
        """Raises LsegError for windows that no network takes or that leave gaps."""
        if self.window_px < SIZE_MULTIPLE or self.window_px % SIZE_MULTIPLE:
            raise LsegError(f"--window {self.window_px} cannot be used; it must be a multiple of {SIZE_MULTIPLE}.")
        if not 0 < self.stride_px <= self.window_px:
            raise LsegError(f"--stride {self.stride_px} cannot be used; it must be 1 to {self.window_px} (--window).")

    def size(self, height_px: int, width_px: int, scale: float) -> tuple[int, int]:
        """Height and width of a picture at a scale."""
        long_px = math.ceil((self.base_px or max(height_px, width_px)) * scale)
        if height_px > width_px:
            return long_px, max(1, int(width_px * long_px / height_px + 0.5))
        return max(1, int(height_px * long_px / width_px + 0.5)), long_px

    def starts(self, length_px: int) -> list[int]:
        """Where windows begin along a side."""
        last = max(0, length_px - self.window_px)
        starts = [step * self.stride_px for step in range(math.ceil(last / self.stride_px) + 1)]
        return [min(start, last) for start in starts] if self.shifts_last else starts


class Windowed:
    """Sees pictures through windows; the labels' embeddings are made once, for all of them."""

    def __init__(
        self, engine: Engine, text: Floats, plan: WindowPlan, batch: int = 1, min_confidence: float = 0.0
    ) -> None:
        """Binds labels to an engine.

        Args:
            engine: any that takes windows of this size.
            text: (N, C) embeddings of the labels.
            plan: how pictures are cut.
            batch: windows that the engine gets at once, at most.
            min_confidence: pixels whose softmax of the mean logits is below it get no label.

        Raises:
            LsegError: a plan that cannot be.
        """
        plan.check()
        self._engine, self._text, self._plan = engine, np.ascontiguousarray(text, np.float32), plan
        self._batch, self._min_confidence = batch, min_confidence

    def predict(self, picture: NDArray[np.uint8], path: Path) -> NDArray[np.int64]:
        """(H, W, 3) uint8 RGB -> (H, W), positions among the labels; N: no label.

        Raises:
            DataError: the network's answer is not a number; names `path`.
            MismatchError: windows or labels that the engine does not take.
        """
        scores = torch.from_numpy(self.scores(picture))
        best, index = scores.max(0)
        if not torch.isfinite(best).all():
            raise DataError(f"{path}: the network's answer is not a number; try --precision fp32.")
        if self._min_confidence > 0:
            summands = len(self._plan.scales) * (2 if self._plan.mirror else 1)
            confidence = 1 / ((scores - best) / summands).exp().sum(0)
            index[confidence < self._min_confidence] = len(scores)
        return index.numpy()

    def scores(self, picture: NDArray[np.uint8] | Floats) -> Floats:
        """(H, W, 3) RGB of 0 to 255 -> (N, H, W), the sums of logits over scales and mirror images."""
        pixels = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).permute(2, 0, 1)
        size = (picture.shape[0], picture.shape[1])
        total = torch.zeros(len(self._text), *size)
        for scale in self._plan.scales:
            scaled = _resized(pixels, self._plan.size(*size, scale)).permute(1, 2, 0).numpy()
            total += _resized(torch.from_numpy(self._see(scaled)), size)
        return total.numpy()

    def _see(self, picture: Floats) -> Floats:
        """(h, w, 3) at its scale -> (N, h, w), logits averaged over windows, mirror images added."""
        height, width = picture.shape[:2]
        side = self._plan.window_px
        rows, columns = self._plan.starts(height), self._plan.starts(width)
        black = np.zeros((rows[-1] + side, columns[-1] + side, 3), np.float32)
        black[:height, :width] = picture
        scores = np.zeros((len(self._text), height, width), np.float32)
        count = np.zeros((height, width), np.float32)
        views = list(product(rows, columns, (False, True) if self._plan.mirror else (False,)))
        for (top, left, is_mirrored), logits in zip(views, self._logits(black, views), strict=True):
            down, across = slice(top, top + side), slice(left, left + side)
            mine = logits[..., ::-1] if is_mirrored else logits
            scores[:, down, across] += mine[:, : height - top, : width - left]
            count[down, across] += not is_mirrored
        scores /= count
        return scores

    def _logits(self, picture: Floats, views: list[tuple[int, int, bool]]) -> Iterator[Floats]:
        """(N, side, side) for each view: where a window begins, and whether it is mirrored.

        Fewer at once, from then on, when the memory is full.
        """
        side, done = self._plan.window_px, 0
        while done < len(views):
            windows = [
                picture[top : top + side, left : left + side][:, :: -1 if is_mirrored else 1]
                for top, left, is_mirrored in views[done : done + self._batch]
            ]
            try:
                answers = self._run(np.stack(windows))
            except MemoryFullError:
                if len(windows) == 1:
                    raise
                self._batch = (len(windows) + 1) // 2
                continue
            yield from answers
            done += len(windows)

    def _run(self, windows: Floats) -> Floats:
        """(B, side, side, 3) of 0 to 255 -> (B, N, side, side)."""
        wanted: tuple[Output, ...] = ("logits",)
        if isinstance(self._engine, FloatEngine):
            tensors = self._engine.run_float(windows, self._text, wanted)
        else:
            tensors = self._engine.run(windows.round().astype(np.uint8), self._text, wanted)
        return tensors["logits"].astype(np.float32, copy=False)


def _resized(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(C, H, W) -> (C, *size)."""
    return F.interpolate(image[None], size, mode="bilinear", align_corners=True)[0]
