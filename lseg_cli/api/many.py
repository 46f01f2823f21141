"""Many pictures through the pipeline of `lseg segment`, with results that are kept instead of written."""

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.api.pictures import Picture, ShownPicture, read_picture
from lseg_cli.api.result import Result, segmented
from lseg_cli.data.finding import Source, find_images
from lseg_cli.data.images import PictureError
from lseg_cli.data.labels import LabelSet
from lseg_cli.data.store import locate
from lseg_cli.errors import DataError, LsegError
from lseg_cli.inference.batch import choose_batch
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.segmentation import Segmentation
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.inference.tiling import Tiling, segment_in_tiles
from lseg_cli.results.records import Failed, Item
from lseg_cli.runs.options import RunOptions
from lseg_cli.runs.pipeline import Pipeline
from lseg_cli.runs.steps import failed

_NO_IMAGE = np.empty((1, 0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class GivenItem(Item):
    """An item that a program gave: a path, or pixels, which the source only numbers."""

    picture: Picture = ""


@dataclass(frozen=True)
class LoadedPicture:
    """A picture that was read; fulfils `lseg_cli.runs.steps.Loaded`.

    Attributes:
        item: what it is.
        shown: as it is displayed.
        image: (1, h, w, 3) uint8 at the network's size; empty where tiles are cut from the picture.
    """

    item: Item
    shown: ShownPicture
    image: NDArray[np.uint8]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image."""
        return self.image.shape

    @property
    def held_px(self) -> int | None:
        """What it took: the picture is kept for the result."""
        return None


class ResultSteps:
    """A picture -> its result; fulfils `lseg_cli.runs.steps.Steps`."""

    def __init__(
        self,
        segmenter: Segmenter,
        labels: LabelSet,
        min_confidence: float,
        tiling: Tiling | None,
        turn: AbstractContextManager[object],
    ) -> None:
        """Binds them; `turn` is held while the engine runs."""
        engine = segmenter.engine
        self.device, self.precision = engine.device, engine.precision
        self.batch = choose_batch(None, engine.device == "cpu", engine.spec.max_batch)
        self._segmenter = segmenter
        self._labels = labels
        self._min_confidence = min_confidence
        self._tiling = tiling
        self._turn = turn

    def load(self, item: Item, admit: Callable[[int], None]) -> LoadedPicture | Failed:
        """Reads and resizes; `admit` as in `Steps.load`."""
        try:
            given = item.picture if isinstance(item, GivenItem) else str(item.source.path)
            shown = read_picture(given, admit)
            size = (shown.image.height, shown.image.width)
            in_tiles = self._tiling is not None and self._tiling.is_needed(size)
            image = _NO_IMAGE if in_tiles else self._segmenter.preprocess(shown.image)
        except (LsegError, MemoryError) as error:
            stage = error.stage if isinstance(error, PictureError) else "decode"
            return failed(item, stage, DataError(str(error)) if isinstance(error, LsegError) else error)
        return LoadedPicture(item, shown, image)

    def infer(self, batch: Sequence[LoadedPicture]) -> Sequence[Floats | Segmentation]:
        """Scores of pictures of one shape, or segmentations of those in tiles. Raises as `Steps.infer`."""
        with self._turn:
            if self._tiling is not None and not batch[0].image.size:
                return [segment_in_tiles(self._segmenter, self._tiling, each.shown.image) for each in batch]
            return list(self._segmenter.infer(np.concatenate([each.image for each in batch])))

    def finish(self, loaded: LoadedPicture, answer: Floats | Segmentation) -> Result | Failed:
        """The result, or why there is none."""
        shown = loaded.shown
        try:
            if not isinstance(answer, Segmentation):
                answer = self._segmenter.postprocess(answer, (shown.image.height, shown.image.width))
            return Result(shown.source, self._labels, segmented(shown, answer, self._labels, self._min_confidence))
        except (DataError, MemoryError) as error:
            return failed(loaded.item, "infer", error)


def segment_all(
    steps: ResultSteps, items: Iterable[Item], labels: LabelSet, workers: int | None, note: Callable[[str], None]
) -> Generator[Result, None, None]:
    """Yield the results of pictures in their order; of one that cannot be segmented, with the error.

    Args:
        steps: what is done with each.
        items: the pictures.
        labels: of the results.
        workers: threads that read, and as many that finish; None: one per core.
        note: receives what the user should know.
    """
    threads = RunOptions(inputs=(), workers=workers).thread_count
    for found in Pipeline(steps, threads, note).run(items, lambda: False):
        yield Result(found.source, labels, None, DataError(found.error)) if isinstance(found, Failed) else found


def items_of(pictures: str | os.PathLike[str] | Iterable[Picture]) -> Iterable[Item]:
    """Return what is to be segmented.

    Args:
        pictures: what to read, as on the command line; or pictures one by one, which are asked for when needed.

    Raises:
        LsegError: there is no such file or folder, or it is neither.
        DataError: there is no picture in it.
    """
    if isinstance(pictures, str | os.PathLike):
        return [Item(source, source.name) for source in find_images((os.fspath(pictures),))]
    if not isinstance(pictures, Iterable):
        raise LsegError(
            f"The pictures are a {type(pictures).__name__}; give a folder, a pattern, or an iterable of pictures."
        )
    return (_given(number, picture) for number, picture in enumerate(pictures))


def _given(number: int, picture: Picture) -> GivenItem:
    if isinstance(picture, str | os.PathLike):
        path = locate(os.fspath(picture))
        return GivenItem(Source(path, path.parent, path.name), path.name, picture=picture)
    name = f"picture {number}"
    return GivenItem(Source(Path(name), Path(), name), name, picture=picture)
