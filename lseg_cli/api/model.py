"""A model that segments pictures: what `lseg segment` and `lseg embed` do with one, as methods."""

import os
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np

from lseg_cli.api.embedding import Embedding
from lseg_cli.api.labels import Labels, as_label_set, warn
from lseg_cli.api.many import ResultSteps, items_of, segment_all
from lseg_cli.api.pictures import Picture, read_picture
from lseg_cli.api.result import Result, check_confidence, segmented
from lseg_cli.contract import Engine
from lseg_cli.data.labels import LabelSet
from lseg_cli.engine_choice import EngineChoice, EngineKind, Precision
from lseg_cli.inference.embedding import check_stride
from lseg_cli.inference.frame import Size
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.inference.no_data import packed
from lseg_cli.inference.segmenter import PixelOutputs, Segmenter
from lseg_cli.inference.tiling import Tiling, segment_in_tiles
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_engines.bundled import BUNDLED
from lseg_engines.opener import open_engine


def load(
    model: str | os.PathLike[str] = BUNDLED,
    *,
    device: str = "auto",
    precision: Precision = "fp32",
    engine: EngineKind = "auto",
    threads: int | None = None,
) -> "Model":
    """Open a model.

    Args:
        model: the bundled model's name, that of a published one (`lseg models` lists them), or the path of a
            `.safetensors`, `.onnx` or `.engine` file.
        device: auto, cpu, cuda, cuda:1 or mps. A device that is named and cannot be used is an error.
        precision: fp32, or on CUDA fp16 or bf16; exported files have the one they were exported with.
        engine: torch, onnx, openvino or trt: require the file to be of that kind.
        threads: of the CPU; None: as the engine chooses.

    Raises:
        LsegError: there is no such model.
        MismatchError: the file is of another kind or precision than the one asked for, or is damaged.
        MissingError: a package, device or file is not on this machine.
    """
    return Model(EngineChoice(os.fspath(model), engine, device, precision, threads))


class Model:
    """A model with the engine that runs it. May be used from several threads; on a GPU they wait for each other.

    Attributes:
        choice: the model and how it is run, as it was asked for.
    """

    def __init__(self, choice: EngineChoice) -> None:
        """As `load`, which is shorter."""
        self.choice = choice
        self._engine: Engine = open_engine(choice)
        self._turn: AbstractContextManager[object] = nullcontext() if self.device == "cpu" else threading.Lock()
        self._cache = EmbeddingCache()

    @property
    def name(self) -> str:
        """Of the model's configuration, such as lseg-tiny."""
        return self._engine.spec.model.name

    @property
    def device(self) -> str:
        """Where it runs, such as cpu or cuda:0."""
        return self._engine.device

    @property
    def precision(self) -> str:
        """Of its arithmetic: fp32, fp16 or bf16."""
        return self._engine.precision

    def segment(
        self,
        picture: Picture,
        labels: Labels,
        *,
        size: Size = None,
        templates: Sequence[str] = (),
        min_confidence: float = 0.0,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> Result:
        """Segment a picture by labels.

        Args:
            picture: a path, a PIL image, or an (H, W, 3) uint8 array in RGB.
            labels: text as behind `--labels`, a list of names, a dict of names and synonyms, or a `LabelSet`.
            size: long side of the network's input in px, or its (height, width) in multiples of 32; None: as the model
                was trained.
            templates: instead of the model's, each with {} for the label; several are averaged.
            min_confidence: pixels below it get the ignore id.
            tile: cut larger pictures into tiles of this side in px, at full resolution.
            overlap: of tiles in px, where they are blended; None: an eighth.

        Raises:
            LsegError: labels, size or tiles that cannot be used.
            DataError: the picture cannot be read, or the network's answer is not a number.
            MismatchError: labels or size do not fit the model.
        """
        check_confidence(min_confidence)
        label_set = as_label_set(labels)
        segmenter = self._segmenter(label_set, templates, size)
        tiling = Tiling.of(tile, overlap)
        shown = read_picture(picture)
        with self._turn:
            if tiling is not None and tiling.is_needed((shown.image.height, shown.image.width)):
                found = segment_in_tiles(segmenter, tiling, shown.image)
            else:
                found = segmenter.segment(np.asarray(shown.image))
        return Result(shown.source, label_set, segmented(shown, found, label_set, min_confidence))

    def segment_many(
        self,
        pictures: str | os.PathLike[str] | Iterable[Picture],
        labels: Labels,
        *,
        size: Size = None,
        templates: Sequence[str] = (),
        min_confidence: float = 0.0,
        tile: int | None = None,
        overlap: int | None = None,
        workers: int | None = None,
    ) -> Generator[Result, None, None]:
        """Segment many pictures side by side, with results in their order.

        Reading, segmenting and finishing overlap, and memory does not grow with the number of pictures. A picture that
        cannot be segmented gives a result with an `error`. Break off whenever you like.

        Args:
            pictures: a folder, a pattern or an address, as on the command line; or an iterable of pictures, which is
                read as far as results are taken.
            labels: as in `segment`; so are `size`, `templates`, `min_confidence`, `tile` and `overlap`.
            size: as in `segment`.
            templates: as in `segment`.
            min_confidence: as in `segment`.
            tile: as in `segment`.
            overlap: as in `segment`.
            workers: threads that read, and as many that finish; None: one per core.

        Raises:
            LsegError: labels, size or tiles that cannot be used, or no such file or folder.
            DataError: there is no picture in the folder.
            MismatchError: labels or size do not fit the model.
        """
        check_confidence(min_confidence)
        label_set = as_label_set(labels)
        segmenter = self._segmenter(label_set, templates, size)
        steps = ResultSteps(segmenter, label_set, min_confidence, Tiling.of(tile, overlap), self._turn)
        return segment_all(steps, items_of(pictures), label_set, workers, lambda notice: warn([notice]))

    def embed(self, picture: Picture, *, size: Size = None, stride: int = 4) -> Embedding:
        """Run the image encoder once, for any labels later.

        Args:
            picture: as in `segment`.
            size: as in `segment`.
            stride: 4: compact, from which `Embedding.segment` gives the masks of `segment`; 2: the paper's, of unit
                length.

        Raises:
            LsegError: another stride, or a size that cannot be used.
            DataError: the picture cannot be read, or the network's answer is not a number.
            MismatchError: the model gives no embeddings, or does not take the size.
        """
        kind = check_stride(stride)
        shown = read_picture(picture)
        width = self._engine.spec.model.text.width
        segmenter = Segmenter(self._engine, np.eye(1, width, dtype=np.float32), size)  # no labels are asked for
        with self._turn:
            found = segmenter.encode(np.asarray(shown.image), kind)
        update = {"source": shown.source or "", "no_data": packed(shown.valid)}
        found = replace(found, info=found.info.model_copy(update=update))
        return Embedding(found, shown, self._embed_labels)

    def __repr__(self) -> str:
        """Return name, device and precision."""
        return f"Model({self.name}, {self.device}, {self.precision})"

    def _embed_labels(self, labels: LabelSet, templates: Sequence[str] = ()) -> Floats:
        """(N, C) of labels, by the model's text encoder, which is loaded only for words that are not in the cache."""
        embedded = embed_label_set(labels, self._engine.spec.model.text, tuple(templates), self._cache)
        warn(embedded.notices)
        return embedded.vectors

    def _segmenter(self, labels: LabelSet, templates: Sequence[str], size: Size) -> Segmenter:
        threads = self.choice.threads or os.cpu_count() or 1
        outputs = PixelOutputs(probability=True)
        return Segmenter(self._engine, self._embed_labels(labels, templates), size, outputs, threads)
