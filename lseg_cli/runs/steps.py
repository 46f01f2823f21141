"""What is done with one picture: load -> infer -> finish. Who calls the steps, and how many at once, is elsewhere.

A thread pool calls them in `lseg_cli.runs.pipeline`; another process or machine may do so as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.images import MAX_MEGAPIXELS, PictureError, open_picture
from lseg_cli.errors import DataError
from lseg_cli.inference.embedding import Embedding, Half, as_embedding, as_encoder
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.segmentation import Segmentation, stopwatch
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.inference.tiling import Tiling, segment_in_tiles
from lseg_cli.results.folder import OutputFolder
from lseg_cli.results.records import Done, Failed, Item, Stamp

_NO_IMAGE = np.empty((1, 0, 0, 3), np.uint8)
FULL_MEMORY = "The memory is full; segment this picture at a smaller size."


@dataclass(frozen=True)
class Loaded:
    """A picture that was read.

    Attributes:
        item: what it is.
        stamp: state of its file before it was read.
        size: (H, W) as displayed.
        image: (1, h, w, 3) uint8 at the network's size; empty where tiles are cut from the picture.
        picture: in RGB; None where nothing after the network needs it.
        ms: milliseconds per step so far.
        valid: (H, W), False where the picture holds no data; None: it does everywhere.
        values: how its numbers became 8 bits, see `Picture`.
    """

    item: Item
    stamp: Stamp
    size: tuple[int, int]
    image: NDArray[np.uint8]
    picture: Image.Image | None
    ms: dict[str, float]
    valid: NDArray[np.bool_] | None = None
    values: str = ""


@dataclass(frozen=True)
class Inferred:
    """What the network says of a picture.

    Attributes:
        scores: (N, h, w).
        features: (C, h / 2, w / 2), where embeddings are saved.
    """

    scores: Floats
    features: Half | None = None


class Steps:
    """The steps, with all that they need."""

    def __init__(
        self,
        segmenter: Segmenter,
        folder: OutputFolder,
        min_confidence: float = 0.0,
        min_margin: float = 0.0,
        tiling: Tiling | None = None,
    ) -> None:
        """Binds them.

        Args:
            segmenter: of any engine.
            folder: to write to.
            min_confidence: pixels below it get the ignore id.
            min_margin: pixels whose best two labels are nearer than this get it too.
            tiling: of pictures that are larger than a tile.
        """
        self._segmenter = segmenter
        self._folder = folder
        self._min_confidence = min_confidence
        self._min_margin = min_margin
        self._tiling = tiling
        self.max_megapixels: float = MAX_MEGAPIXELS
        self.is_on_cpu = segmenter.engine.device == "cpu"

    def load(self, item: Item, admit: Callable[[int], None] | None = None) -> Loaded | Failed:
        """Reads, decodes and preprocesses; `admit` as in `open_picture`."""
        ms: dict[str, float] = {}
        waited: dict[str, float] = {"wait": 0.0}

        def wait(pixels: int) -> None:
            with stopwatch(waited, "wait"):
                if admit is not None:
                    admit(pixels)

        path = item.source.path
        try:
            stamp = Stamp.of(path)
            with stopwatch(ms, "read"):
                read = open_picture(path, self.max_megapixels, wait)
            picture = read.image
            ms["read"] = round(ms["read"] - waited["wait"], 3)
            width, height = picture.size
            in_tiles = self._tiling is not None and self._tiling.is_needed((height, width))
            with stopwatch(ms, "preprocess"):
                image = _NO_IMAGE if in_tiles else self._segmenter.preprocess(picture)
        except PictureError as error:
            return Failed(str(path), error.stage, str(error))
        except MemoryError:
            return Failed(str(path), "decode", FULL_MEMORY)
        kept = picture if in_tiles or self._folder.needs_picture else None
        return Loaded(item, stamp, (height, width), image, kept, ms, read.valid, read.values)

    def infer(self, batch: Sequence[Loaded]) -> Sequence[Inferred | Segmentation]:
        """What the network says of pictures of one shape; a picture that is cut into tiles comes back segmented.

        Raises:
            MemoryFullError: that many do not fit into the device's memory.
            DataError: they cannot be run.
        """
        if self._tiling is not None and not batch[0].image.size:
            cut = [(each, each.picture) for each in batch if each.picture is not None]
            return [segment_in_tiles(self._segmenter, self._tiling, picture, each.ms) for each, picture in cut]
        ms: dict[str, float] = {}
        with stopwatch(ms, "infer"):
            images = np.concatenate([each.image for each in batch])
            if self._folder.needs_features:
                answers = [Inferred(*each) for each in zip(*self._segmenter.infer_features(images), strict=True)]
            else:
                answers = [Inferred(scores) for scores in self._segmenter.infer(images)]
        for each in batch:
            each.ms["infer"] = round(ms["infer"] / len(batch), 3)
        return answers

    def finish(self, loaded: Loaded, answer: Inferred | Segmentation) -> Done | Failed:
        """Postprocesses and writes.

        Raises:
            LsegError: the disk is full.
        """
        path, ms, stage = str(loaded.item.source.path), loaded.ms, "infer"
        try:
            if isinstance(answer, Segmentation):
                scores, embedding, result = None, None, answer
            else:
                scores, result = answer.scores, self._segmenter.postprocess(answer.scores, loaded.size, ms)
                embedding = self._embedding(loaded, answer.features)
            stage = "write"
            with stopwatch(ms, "write"):
                ids = self._folder.ids(result.index, _either(self._unsure(result), loaded.valid))
                mask = self._folder.write_picture(loaded.item.name, loaded.picture, ids, result.confidence)
                self._folder.write_more(loaded.item.name, ids, result, scores, embedding)
            share, ignored = self._folder.shares(ids)
        except DataError as error:
            return Failed(path, stage, str(error))
        except MemoryError:
            return Failed(path, stage, FULL_MEMORY)
        height, width = loaded.size
        mean = round(result.mean_confidence, 6)
        return Done(
            path,
            mask,
            height,
            width,
            share,
            ignored,
            mean,
            ms,
            loaded.stamp,
            self._folder.beside(loaded.item.name),
            loaded.values,
        )

    def _embedding(self, loaded: Loaded, features: Half | None) -> Embedding | None:
        if features is None:
            return None
        encoder, source = as_encoder(self._segmenter.engine), str(loaded.item.source.path)
        with stopwatch(loaded.ms, "postprocess", adds=True):
            return as_embedding(encoder, features, loaded.size, source=source)

    def _unsure(self, result: Segmentation) -> NDArray[np.bool_] | None:
        if result.probability is None or not (self._min_confidence or self._min_margin):
            return None
        first = result.probability[0]
        unsure: NDArray[np.bool_] = first < self._min_confidence
        if self._min_margin and len(result.probability) > 1:
            unsure |= first - result.probability[1] < self._min_margin
        return unsure


def _either(unsure: NDArray[np.bool_] | None, valid: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """(H, W): pixels that get no label, as the answer is unsure or there is no data."""
    if valid is None:
        return unsure
    return ~valid if unsure is None else unsure | ~valid
