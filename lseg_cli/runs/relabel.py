"""The steps of `lseg relabel`: from an embedding a mask for new labels, as `lseg segment` would write it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.config import TextConfig
from lseg_cli.contract import TOWER_SUFFIX
from lseg_cli.data.films import frame_at
from lseg_cli.data.finding import Source
from lseg_cli.data.images import PictureError, open_image
from lseg_cli.data.labels import LabelSet
from lseg_cli.data.store import Address, locate, locate_output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.inference.embedding import Embedding, EmbeddingInfo, find_embeddings, read_embedding, read_info
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.inference.relabel import is_bounded, relabel, score, segment_scores
from lseg_cli.inference.segmentation import Stopwatch
from lseg_cli.model.header import read_model_config
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.results.folder import OutputFolder
from lseg_cli.results.masks import MaskWriter
from lseg_cli.results.records import Done, Failed, Item, Stamp
from lseg_cli.runs.crew import call_cluster, make_pipeline
from lseg_cli.runs.finish import Finding, finish_mask
from lseg_cli.runs.folder_run import FolderRun, shared
from lseg_cli.runs.mask_run import MaskPlan, outputs_of, read_labels, style_of
from lseg_cli.runs.options import RelabelOptions, count_streams
from lseg_cli.runs.pictures import count_cores
from lseg_cli.runs.ray.cluster import require_ray
from lseg_cli.runs.steps import failed

_BYTES_PER_PX = 4  # as `lseg_cli.runs.pixel_budget` counts them


@dataclass(frozen=True)
class LoadedEmbedding:
    """An embedding that was read.

    Attributes:
        item: what it is.
        stamp: state of its file before it was read.
        embedding: of a picture.
        picture: itself, in RGB, for files that show it.
        ms: milliseconds of reading.
        values: how the picture's numbers became 8 bits: not known any more.
    """

    item: Item
    stamp: Stamp
    embedding: Embedding
    picture: Image.Image | None
    ms: dict[str, float]
    values: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the picture as displayed."""
        return self.embedding.info.picture_px

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, h, w)."""
        return self.embedding.array.shape

    @property
    def held_px(self) -> int | None:
        """None: as much memory as was asked for."""
        return None


@dataclass(frozen=True)
class Scored:
    """The scores of the labels for an embedding.

    Attributes:
        scores: (N, h, w); None where the labels are so many that only those that matter are made.
        ms: milliseconds of it.
    """

    scores: Floats | None
    ms: float


class RelabelSteps:
    """An embedding -> a mask; fulfils `lseg_cli.runs.steps.Steps`. All of it runs on the CPU."""

    device, precision, batch = "cpu", "fp32", 1

    def __init__(self, work: "RelabelWork", threads: int) -> None:
        """Binds them; `threads`: for one picture."""
        output = OutputFolder(locate_output(work.options.out), work.options.share_name)
        self._work = work
        self._outputs = outputs_of(work.options, len(work.vectors))
        self._writer = MaskWriter(output, work.labels, style_of(work.options, work.labels))
        self._threads = threads

    def load(self, item: Item, admit: Callable[[int], None]) -> LoadedEmbedding | Failed:
        """Reads the embedding, and the picture where it is needed."""
        path, watch = Path(str(item.source.path)), Stopwatch()
        try:
            stamp, info = Stamp.of(path), read_info(path)
            cells = info.model.text.width * info.network_px[0] * info.network_px[1] // info.stride**2
            admit(info.picture_px[0] * info.picture_px[1] + 2 * cells // _BYTES_PER_PX)
            embedding = read_embedding(path)
            if info.model_sha256 != self._work.model_sha256:
                raise DataError(
                    f"{path} was made by another model than the first of these embeddings; relabel it alone."
                )
            return LoadedEmbedding(item, stamp, embedding, self._picture(item, info), {"read": watch.ms})
        except PictureError as error:
            return failed(item, error.stage, error)
        except (DataError, MemoryError) as error:
            return failed(item, "read", error)

    def infer(self, batch: Sequence[LoadedEmbedding]) -> Sequence[Scored]:
        """The labels' scores; raises as `Steps.infer`."""
        found = []
        for each in batch:
            watch = Stopwatch()
            needs_all = not is_bounded(each.embedding.info, len(self._work.vectors), self._outputs)
            needs_all |= "probs" in self._writer.kinds_of(each.item)
            found.append(Scored(score(each.embedding, self._work.vectors) if needs_all else None, watch.ms))
        return found

    def finish(self, loaded: LoadedEmbedding, answer: Scored) -> Done | Failed:
        """Postprocesses and writes; raises as `Steps.finish`."""
        return finish_mask(self._writer, loaded, lambda: self._postprocess(loaded, answer))

    def _postprocess(self, loaded: LoadedEmbedding, answer: Scored) -> Finding:
        if answer.scores is None:
            result = relabel(loaded.embedding, self._work.vectors, self._outputs, self._threads)
        else:
            result = segment_scores(answer.scores, loaded.size, self._outputs, self._threads)
        ms = {"score": answer.ms, **result.ms}
        return Finding(replace(result, ms=ms, valid=loaded.embedding.info.valid), answer.scores)

    def _picture(self, item: Item, info: EmbeddingInfo) -> Image.Image | None:
        """The picture itself, for files that show it."""
        if not self._writer.needs_picture(item):
            return None
        frame = frame_at(info.source)
        picture = open_image(locate(info.source)) if frame is None else frame.film.read(frame.index)
        if (picture.height, picture.width) != info.picture_px:
            raise DataError(f"{info.source} has another size than when it was embedded; embed it again.")
        return picture


@dataclass(frozen=True)
class RelabelWork:
    """All that a worker needs to label embeddings; fulfils `lseg_cli.runs.ray.worker.Work`.

    Attributes:
        options: of the run.
        labels: in their colours.
        vectors: (N, C) of the labels, so that no worker needs a text encoder.
        model_sha256: of the model that made the embeddings.
    """

    options: RelabelOptions
    labels: LabelSet
    vectors: NDArray[np.float32]
    model_sha256: str

    @property
    def choice(self) -> EngineChoice:
        """There is no engine; a worker has so many threads of a CPU."""
        return EngineChoice(device="cpu", threads=self.options.threads)

    def open(self, threads: int) -> RelabelSteps:
        """The steps of a worker with so many threads of the CPU."""
        return RelabelSteps(self, threads)


def open_relabelling(options: RelabelOptions, model_path: Path | None) -> FolderRun:
    """A run that is ready to go: labels, files and output folder are checked, and the labels embedded.

    Args:
        options: what to do.
        model_path: a model that brings the text encoder; None: what the embeddings name.

    Raises:
        LsegError: labels, paths or folder cannot be used.
        MismatchError: `model_path` is another model than the one that made the embeddings.
    """
    if "embeddings" in options.save:
        raise LsegError(
            "--save embeddings belongs to lseg segment; relabel reads embeddings, and leaves them where they are."
        )
    labels, notices = read_labels(options)
    output = OutputFolder(locate_output(options.out), options.share_name)
    style_of(options, labels).check()
    output.check()
    items = _find(options, output)
    info = _first_info(items)
    items = shared(items, options.shard)
    if options.ray is not None:
        require_ray(options.ray, "cpu")
    text = embed_label_set(labels, _text_config(info, model_path), options.templates, EmbeddingCache())
    notices += text.notices
    work, cores = RelabelWork(options, labels, text.vectors, info.model_sha256), count_cores(options.threads)
    if options.ray is None:
        streams = count_streams(cores, len(items))
        steps = work.open(cores // streams)
        crew = make_pipeline(steps, options, streams, notices.append)
    else:
        crew = call_cluster(work, output, notices.append)
    model = {"name": info.model.name, "sha256": info.model_sha256}
    plan = MaskPlan("relabel", options, output, labels, text.encoder, model, {})
    return FolderRun(plan.job(items, crew, notices))


def _find(options: RelabelOptions, output: OutputFolder) -> list[Item]:
    """The embeddings, with their names in the output.

    Raises:
        LsegError: a path that is not there, an address, or what lies in the output folder.
        DataError: there is none.
    """
    address = next((place for place in map(locate, options.inputs) if isinstance(place, Address)), None)
    if address is not None:
        raise LsegError(
            f"Embeddings are read from a folder, and {address} is an address; mount the store, or copy them."
        )
    found = find_embeddings(options.inputs)
    into = os.path.realpath(output.folder / "embeddings")
    if any(Path(os.path.realpath(path)).is_relative_to(into) for path, _ in found):
        raise LsegError(
            f"The embeddings lie in {output.folder}, where the masks are to go; choose another folder with -o."
        )
    return [Item(Source(path, path.parent, path.name), name) for path, name in found]


def _first_info(items: Sequence[Item]) -> EmbeddingInfo:
    """Read the facts of the first sound file; a broken one fails later, by itself.

    Raises:
        DataError: all are broken.
    """
    last = DataError("There is no embedding.")
    for item in items:
        try:
            return read_info(Path(str(item.source.path)))
        except DataError as error:
            last = error
    raise last


def _text_config(info: EmbeddingInfo, model_path: Path | None) -> TextConfig:
    """The text encoder; from the model's file, which may bring it, as far as that is there.

    Raises:
        MismatchError: `model_path` is another model.
    """
    ours = info.model.text
    if model_path is None:
        if info.model_file.endswith(TOWER_SUFFIX) and Path(info.model_file).is_file():
            return ours.model_copy(update={"weights": info.model_file})
        there = info.model_file and Path(info.model_file).is_file()
        try:
            found = read_model_config(Path(info.model_file)).text if there else ours
        except LsegError:
            return ours
        return found if found.sha256 == ours.sha256 else ours
    found = read_model_config(model_path).text
    if (found.name, found.sha256, found.width) != (ours.name, ours.sha256, ours.width):
        raise MismatchError(
            f"{model_path} has the text encoder {found.name}, the embeddings were made with {ours.name}, or with other "
            "weights of it; take the model that made them."
        )
    return found
