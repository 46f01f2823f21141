"""The steps of `lseg embed`: it writes the embedding of each picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lseg_cli.contract import Engine
from lseg_cli.data.store import locate_output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import DataError
from lseg_cli.inference.batch import choose_batch
from lseg_cli.inference.embedding import (
    Embedding,
    Half,
    as_embedding,
    as_encoder,
    check_format,
    check_stride,
    features_of,
    require_features,
    write_tensor,
)
from lseg_cli.inference.segmentation import Stopwatch
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.results.folder import EMBEDDINGS, OutputFolder
from lseg_cli.results.formats import write_npy
from lseg_cli.results.records import Embedded, Failed, Item
from lseg_cli.runs.crew import call_cluster, make_pipeline, open_here
from lseg_cli.runs.folder_run import FolderRun, Job
from lseg_cli.runs.items import find_items, with_live
from lseg_cli.runs.options import EmbedOptions
from lseg_cli.runs.pictures import LoadedPicture, OpenEngine, ReadSpec, open_picture, plan_streams
from lseg_cli.runs.steps import failed

_DECISIVE = ("imgsz", "stride", "format")  # options that change what an embedding says


@dataclass(frozen=True)
class Inferred:
    """The network's answer for a picture.

    Attributes:
        features: (C, h, w).
        ms: milliseconds of it.
    """

    features: Half
    ms: float


class EmbedSteps:
    """A picture -> its embedding; fulfils `lseg_cli.runs.steps.Steps`."""

    def __init__(self, engine: Engine, output: OutputFolder, options: EmbedOptions) -> None:
        """Binds them.

        Args:
            engine: one that gives features.
            output: to write to.
            options: of the run.

        Raises:
            LsegError: a size or batch that the engine does not take.
            MismatchError: the engine gives no features.
        """
        self.device, self.precision = engine.device, engine.precision
        self.batch = choose_batch(options.batch, engine.device == "cpu", engine.spec.max_batch)
        any_label = np.ones((1, engine.spec.model.text.width), np.float32)  # labels come later
        self._encoder = as_encoder(engine)
        self._segmenter = Segmenter(engine, any_label, options.imgsz)
        self._output = output
        self._options = options

    def load(self, item: Item, admit: Callable[[int], None]) -> LoadedPicture | Failed:
        """Reads, decodes and preprocesses."""
        opened = open_picture(item, self._options.max_megapixels, admit)
        if isinstance(opened, Failed):
            return opened
        watch = Stopwatch()
        try:
            image = self._segmenter.preprocess(opened.picture)
        except MemoryError as error:
            return failed(item, "decode", error)
        ms = {"read": opened.read_ms, "preprocess": watch.ms}
        return LoadedPicture(item, opened.stamp, opened.size, image, None, ms, opened.valid, opened.values)

    def infer(self, batch: Sequence[LoadedPicture]) -> Sequence[Inferred]:
        """The features of pictures of one shape. Raises as `Steps.infer`."""
        watch = Stopwatch()
        images = np.concatenate([each.image for each in batch])
        features = features_of(self._encoder, images, self._options.stride)
        ms = round(watch.ms / len(batch), 3)
        return [Inferred(each, ms) for each in features]

    def finish(self, loaded: LoadedPicture, answer: Inferred) -> Embedded | Failed:
        """Writes the embedding, with all that travels with it. Raises as `Steps.finish`."""
        item, size, stage = loaded.item, loaded.size, "infer"
        main = kinds_of(self._options.format)[0]
        try:
            source, stride = str(item.source.path), check_stride(self._options.stride)
            features = self._segmenter.crop(answer.features, size, stride)
            embedding = as_embedding(self._encoder, features, size, stride, source, loaded.valid)
            stage, watch = "write", Stopwatch()
            written = self._output.write(item.name, _writers(embedding, self._options.format))
        except (DataError, MemoryError) as error:
            return failed(item, stage, error)
        ms = {**loaded.ms, "infer": answer.ms, "write": watch.ms}
        return Embedded(
            source,
            written.files[main],
            *size,
            ms,
            loaded.stamp,
            written.beside(main),
            written.sizes,
            loaded.values,
            item.time_s,
        )


@dataclass(frozen=True)
class EmbedWork:
    """All that a worker needs to embed pictures; fulfils `lseg_cli.runs.ray.worker.Work`.

    Attributes:
        options: of the run.
        open_engine: an engine of a choice; seconds.
    """

    options: EmbedOptions
    open_engine: OpenEngine

    @property
    def choice(self) -> EngineChoice:
        """The engine that a worker opens."""
        return self.options.engine

    def open(self, threads: int) -> EmbedSteps:
        """The steps of a worker with so many threads of the CPU; raises as `open_engine`."""
        return self.steps(self.open_engine(replace(self.choice, threads=threads)))

    def steps(self, engine: Engine) -> EmbedSteps:
        """Return the steps for a picture; raises as `EmbedSteps`."""
        output = OutputFolder(locate_output(self.options.out), self.options.share_name, EMBEDDINGS)
        return EmbedSteps(engine, output, self.options)


def open_embedding(options: EmbedOptions, open_engine: OpenEngine, read_spec: ReadSpec) -> FolderRun:
    """A run that is ready to go: what is cheap is checked first, then the engine is opened.

    Args:
        options: what to do.
        open_engine: an engine of a choice; seconds.
        read_spec: what the engine of a model is, without opening it; for a run that workers of a cluster do.

    Raises:
        LsegError: paths, size, stride, format or folder cannot be used; or as `open_engine`.
        MismatchError: the model gives no features.
    """
    output = OutputFolder(locate_output(options.out), options.share_name, EMBEDDINGS)
    check_stride(options.stride)
    check_format(options.format)
    output.check()
    notices: list[str] = []
    items = find_items(options, notices.append)
    streams = plan_streams(options.engine, options.batch, len(items))
    engine = open_here(options, options.engine, streams, open_engine)
    spec = read_spec(options.engine.model) if engine is None else engine.spec
    require_features(spec)
    work = EmbedWork(options, open_engine)
    if engine is None:
        crew = call_cluster(work, output, notices.append)
    else:
        crew = make_pipeline(work.steps(engine), options, streams, notices.append)
    decisive = {name: getattr(options, name) for name in _DECISIVE} | {"precision": options.engine.precision}
    model = {"name": spec.model.name, "sha256": spec.model_sha256}
    job = Job(
        verb="embedded",
        options=options,
        output=output,
        items=items,
        kinds=frozenset(kinds_of(options.format)),
        crew=crew,
        model=model,
        record={"command": "embed", "model": spec.model_sha256, "options": decisive},
        about={"model": model, "stride": options.stride, "format": options.format},
        notices=notices,
    )
    return FolderRun(with_live(job, options))


def kinds_of(format: str) -> tuple[str, ...]:
    """The files of each picture, of `lseg_cli.results.kinds.FILES`, the embedding itself first."""
    return ("embedding-npy", "embedding-info") if format == "npy" else ("embedding",)


def _writers(embedding: Embedding, format: str) -> dict[str, Callable[[Path], None]]:
    """Return the writer of each file."""
    info = embedding.info.model_dump_json(indent=2)
    writers: dict[str, Callable[[Path], None]] = {
        "embedding-info": lambda path: _write_text(path, info),
        "embedding-npy": lambda path: write_npy(path, np.ascontiguousarray(embedding.array)),
        "embedding": lambda path: write_tensor(path, embedding),
    }
    return {kind: write for kind, write in writers.items() if kind in kinds_of(format)}


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
