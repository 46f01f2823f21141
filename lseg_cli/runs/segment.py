"""The steps of `lseg segment`: it writes a mask for each picture, and the other files that were asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lseg_cli.contract import FEATURES, SCORES, Engine, Output
from lseg_cli.data.labels import LabelSet
from lseg_cli.data.store import locate_output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import DataError, LsegError
from lseg_cli.inference.batch import choose_batch
from lseg_cli.inference.embedding import Embedding, Half, as_embedding, as_encoder, require_features
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.inference.many_labels import are_many
from lseg_cli.inference.segmentation import Segmentation, Stopwatch
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.inference.tiling import Tiling, segment_in_tiles
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.results.folder import OutputFolder
from lseg_cli.results.masks import MaskWriter
from lseg_cli.results.records import Done, Failed, Item
from lseg_cli.runs.crew import call_cluster, make_pipeline, open_here
from lseg_cli.runs.finish import Finding, finish_mask
from lseg_cli.runs.folder_run import FolderRun
from lseg_cli.runs.items import find_items, with_live
from lseg_cli.runs.mask_run import MaskPlan, outputs_of, read_labels, style_of
from lseg_cli.runs.options import SegmentOptions
from lseg_cli.runs.pictures import (
    LoadedPicture,
    OpenEngine,
    ReadSpec,
    count_cores,
    open_picture,
    plan_streams,
)
from lseg_cli.runs.steps import failed

_NO_IMAGE = np.empty((1, 0, 0, 3), np.uint8)
_DECISIVE = ("imgsz", "tile", "overlap")  # as in `lseg_cli.runs.mask_run`


@dataclass(frozen=True)
class Inferred:
    """The network's answer for a picture.

    Attributes:
        scores: (N, h, w); None where the labels are so many that only those that matter are made.
        features: (C, h / 2, w / 2), where embeddings are saved or labels are many.
        ms: milliseconds of it.
    """

    scores: Floats | None
    features: Half | None
    ms: float


class SegmentSteps:
    """A picture -> its mask; fulfils `lseg_cli.runs.steps.Steps`."""

    def __init__(self, segmenter: Segmenter, writer: MaskWriter, options: SegmentOptions) -> None:
        """Binds them.

        Args:
            segmenter: of any engine.
            writer: of the masks.
            options: of the run.

        Raises:
            LsegError: a batch that the engine does not take.
        """
        engine = segmenter.engine
        self.device, self.precision = engine.device, engine.precision
        self.batch = choose_batch(options.batch, engine.device == "cpu", engine.spec.max_batch)
        self._segmenter = segmenter
        self._writer = writer
        self._tiling = Tiling.of(options.tile, options.overlap)
        self._max_megapixels = options.max_megapixels

    def load(self, item: Item, admit: Callable[[int], None] = lambda _: None) -> LoadedPicture | Failed:
        """Reads, decodes and preprocesses."""
        opened = open_picture(item, self._max_megapixels, admit)
        if isinstance(opened, Failed):
            return opened
        watch, in_tiles = Stopwatch(), self._tiling is not None and self._tiling.is_needed(opened.size)
        is_kept = in_tiles or self._writer.can_redraw(item)
        try:
            image = _NO_IMAGE if is_kept else self._segmenter.preprocess(opened.picture)
        except MemoryError as error:
            return failed(item, "decode", error)
        picture = opened.picture if is_kept or self._writer.needs_picture(item) else None
        ms = {"read": opened.read_ms, "preprocess": watch.ms}
        return LoadedPicture(item, opened.stamp, opened.size, image, picture, ms, opened.valid, opened.values)

    def infer(self, batch: Sequence[LoadedPicture]) -> Sequence[Inferred | Segmentation | None]:
        """The network's answers; a picture that is cut into tiles comes back segmented. Raises as `Steps.infer`.

        None of a picture whose mask is there: it only gets files that say what the mask says.
        """
        if not batch[0].image.size:
            return [self._in_tiles(each) for each in batch]
        watch = Stopwatch()
        images = np.concatenate([each.image for each in batch])
        if self._segmenter.many is not None and not any("probs" in self._writer.kinds_of(each.item) for each in batch):
            each = self._segmenter.infer_features_alone(images)
            answers = [Inferred(None, features, watch.ms) for features in each]
        elif any("embeddings" in self._writer.kinds_of(each.item) for each in batch):
            pairs = zip(*self._segmenter.infer_features(images), strict=True)
            answers = [Inferred(scores, features, watch.ms) for scores, features in pairs]
        else:
            answers = [Inferred(scores, None, watch.ms) for scores in self._segmenter.infer(images)]
        return [replace(answer, ms=round(answer.ms / len(batch), 3)) for answer in answers]

    def finish(self, loaded: LoadedPicture, answer: Inferred | Segmentation | None) -> Done | Failed:
        """Postprocesses and writes. Raises as `Steps.finish`."""
        if answer is None:
            return self._redraw(loaded)
        return finish_mask(self._writer, loaded, lambda: self._postprocess(loaded, answer))

    def _postprocess(self, loaded: LoadedPicture, answer: Inferred | Segmentation) -> Finding:
        if isinstance(answer, Segmentation):
            return Finding(replace(answer, valid=loaded.valid))
        watch = Stopwatch()
        scores = None if answer.scores is None else self._segmenter.crop(answer.scores, loaded.size)
        result = self._segmented(answer, loaded.size)
        embedding = (
            self._embedding(loaded, answer.features) if "embeddings" in self._writer.kinds_of(loaded.item) else None
        )
        ms = {"infer": answer.ms, "postprocess": watch.ms}
        return Finding(replace(result, ms=ms, valid=loaded.valid), scores, embedding)

    def _in_tiles(self, loaded: LoadedPicture) -> Segmentation | None:
        if self._tiling is None or loaded.picture is None or self._writer.can_redraw(loaded.item):
            return None
        return segment_in_tiles(self._segmenter, self._tiling, loaded.picture)

    def _redraw(self, loaded: LoadedPicture) -> Done | Failed:
        watch = Stopwatch()
        try:
            mask = self._writer.redraw(loaded.item, loaded.picture)
        except (DataError, MemoryError) as error:
            return failed(loaded.item, "write", error)
        return mask.as_done(loaded.size, loaded.stamp, {**loaded.ms, "write": watch.ms})

    def _segmented(self, answer: Inferred, size: tuple[int, int]) -> Segmentation:
        segmenter = self._segmenter
        if answer.scores is not None:
            return segmenter.postprocess(answer.scores, size)
        if segmenter.many is None or answer.features is None:
            raise ValueError("An answer needs scores, or features and many labels.")
        return segmenter.many.segment(answer.features, size, segmenter.outputs.best, segmenter.threads)

    def _embedding(self, loaded: LoadedPicture, features: Half | None) -> Embedding | None:
        if features is None:
            return None
        encoder, features = as_encoder(self._segmenter.engine), self._segmenter.crop(features, loaded.size, 4)
        source = str(loaded.item.source.path)
        return as_embedding(encoder, features, loaded.size, source=source, valid=loaded.valid)


@dataclass(frozen=True)
class SegmentWork:
    """All that a worker needs to segment pictures; fulfils `lseg_cli.runs.ray.worker.Work`.

    Attributes:
        options: of the run.
        labels: in their colours.
        vectors: (N, C) of the labels, so that no worker needs a text encoder.
        open_engine: an engine of a choice; seconds.
    """

    options: SegmentOptions
    labels: LabelSet
    vectors: NDArray[np.float32]
    open_engine: OpenEngine

    @property
    def choice(self) -> EngineChoice:
        """The engine that a worker opens."""
        return self.options.engine

    def open(self, threads: int) -> SegmentSteps:
        """The steps of a worker with so many threads of the CPU; raises as `open_engine`."""
        return self.steps(self.open_engine(replace(self.choice, threads=threads)), are_many=True)

    def steps(self, engine: Engine, are_many: bool) -> SegmentSteps:
        """Return the steps for a picture.

        Args:
            engine: any.
            are_many: pictures are side by side, so that none needs all cores for itself.

        Raises:
            LsegError: a size or batch that the engine does not take.
        """
        options = self.options
        threads = 1 if options.tile is None and are_many else count_cores(options.engine.threads)
        segmenter = Segmenter(engine, self.vectors, options.imgsz, outputs_of(options, len(self.vectors)), threads)
        output = OutputFolder(locate_output(options.out), options.share_name)
        return SegmentSteps(segmenter, MaskWriter(output, self.labels, style_of(options, self.labels)), options)


def open_segmentation(options: SegmentOptions, open_engine: OpenEngine, read_spec: ReadSpec) -> FolderRun:
    """A run that is ready to go: what is cheap is checked first, then the engine is opened.

    Args:
        options: what to do.
        open_engine: an engine of a choice; seconds.
        read_spec: what the engine of a model is, without opening it; for a run that workers of a cluster do.

    Raises:
        LsegError: labels, paths, sizes or folder cannot be used; or as `open_engine`.
        MismatchError: embeddings are to be saved, and the model gives none.
    """
    labels, notices = read_labels(options)
    style, output = style_of(options, labels), OutputFolder(locate_output(options.out), options.share_name)
    style.check()
    _check_tiling(options)
    output.check()
    items = find_items(options, notices.append)
    streams = 1 if options.tile else plan_streams(options.engine, options.batch, len(items))
    engine = open_here(options, options.engine, streams, open_engine)
    spec = read_spec(options.engine.model) if engine is None else engine.spec
    if "embeddings" in style.kinds:
        require_features(spec)  # before the labels' text encoder takes its time
    text = embed_label_set(labels, spec.model.text, options.templates, EmbeddingCache())
    notices += text.notices
    work = SegmentWork(options, labels, text.vectors, open_engine)
    if engine is None:
        crew = call_cluster(work, output, notices.append)
    else:
        steps = work.steps(engine, are_many=len(items) >= options.thread_count)
        crew = make_pipeline(steps, options, streams, notices.append)
    decisive = {name: getattr(options, name) for name in _DECISIVE} | {"precision": options.engine.precision}
    model = {"name": spec.model.name, "sha256": spec.model_sha256}
    plan = MaskPlan("segment", options, output, labels, text.encoder, model, decisive)
    return FolderRun(with_live(plan.job(items, crew, notices), options))


def needed_outputs(options: SegmentOptions) -> tuple[Output, ...]:
    """Return the outputs that a run needs; ONNX files are cut down to them. Raises as `read_labels`."""
    count = len(read_labels(options)[0].labels)
    is_bounded = are_many(count, outputs_of(options, count).probability)
    return (*SCORES, *FEATURES) if is_bounded or "embeddings" in options.save else SCORES


def _check_tiling(options: SegmentOptions) -> None:
    """Check that tiles can be cut, and that nothing to be saved needs a whole picture; raises LsegError."""
    whole = [kind for kind in ("probs", "embeddings") if kind in options.save]
    if Tiling.of(options.tile, options.overlap) is not None and whole:
        raise LsegError(
            f"--save {whole[0]} needs the whole picture in the network at once; it cannot be combined with --tile."
        )
