"""The end of a picture in runs that write masks: postprocess, write, and say how long it took."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from PIL import Image

from lseg_cli.errors import DataError
from lseg_cli.inference.embedding import Embedding
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.segmentation import Segmentation, Stopwatch
from lseg_cli.results.masks import MaskWriter
from lseg_cli.results.records import Done, Failed, Item, Stamp
from lseg_cli.runs.steps import failed


@dataclass(frozen=True)
class Finding:
    """All that the files of a picture are made of.

    Attributes:
        result: of which the mask is made.
        scores: (N, h, w), where the probabilities of all labels may be asked for.
        embedding: where embeddings are asked for.
    """

    result: Segmentation
    scores: Floats | None = None
    embedding: Embedding | None = None


class LoadedForMask(Protocol):
    """An item that was read, as far as its files are concerned."""

    @property
    def item(self) -> Item:
        """The source, and its name in the output."""
        ...

    @property
    def stamp(self) -> Stamp:
        """State of its file before it was read."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the picture as displayed."""
        ...

    @property
    def picture(self) -> Image.Image | None:
        """The picture in RGB, for overlays."""
        ...

    @property
    def ms(self) -> dict[str, float]:
        """Milliseconds of the stages so far."""
        ...

    @property
    def values(self) -> str:
        """The way in which the picture's numbers became 8 bits."""
        ...


def finish_mask(writer: MaskWriter, loaded: LoadedForMask, postprocess: Callable[[], Finding]) -> Done | Failed:
    """Postprocess a picture and write its files.

    Args:
        writer: of the files.
        loaded: the picture.
        postprocess: makes its finding; what goes wrong there fails the stage 'infer'.

    Returns:
        The picture's line.

    Raises:
        LsegError: what would stop every picture, such as a full disk.
    """
    stage = "infer"
    try:
        found = postprocess()
        stage, watch = "write", Stopwatch()
        mask = writer.write(loaded.item, loaded.picture, found.result, found.scores, found.embedding)
    except (DataError, MemoryError) as error:
        return failed(loaded.item, stage, error)
    ms = {**loaded.ms, **found.result.ms, "write": watch.ms}
    return replace(mask.as_done(loaded.size, loaded.stamp, ms), values=loaded.values)
