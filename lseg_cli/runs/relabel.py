"""Many embeddings -> masks for new labels: what `lseg relabel` does between its options and its output.

The output folder is that of `lseg segment`.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from lseg_cli import __version__
from lseg_cli.config import TextConfig
from lseg_cli.contract import TOWER_SUFFIX
from lseg_cli.data.images import open_image
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.inference.embedding import Embedding, EmbeddingInfo, find_embeddings, read_embedding, read_info
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.inference.relabel import relabel
from lseg_cli.inference.segmentation import stopwatch
from lseg_cli.model.header import read_model_config
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.results.folder import OutputFolder
from lseg_cli.results.records import Done, Failed
from lseg_cli.runs.embedding_options import RelabelJob


class RelabelRun:
    """A run that is ready to go: iterate over it, then `finish`."""

    def __init__(self, job: RelabelJob, model_path: Path | None) -> None:
        """Checks labels, files and output folder, and embeds the labels.

        Args:
            job: what to do.
            model_path: a model that brings the text encoder; None: what the embeddings name.

        Raises:
            LsegError: labels, paths or folder cannot be used.
            MismatchError: `model_path` is another model than the one that made the embeddings.
        """
        self._start = time.perf_counter()
        self._job = job
        other = [kind for kind in ("probs", "embeddings") if kind in job.save]
        if other:
            raise LsegError(f"--save {other[0]} is of lseg segment; relabel saves overlay and conf.")
        self.labels, self.notices = open_labels(job.labels)
        self.folder = OutputFolder(Path(job.out), self.labels, job.save)
        self.folder.check(job.overwrite)
        self._files = find_embeddings(job.inputs)
        self.total = len(self._files)
        self.done = self.failed = 0
        self._info = _first_info([path for path, _ in self._files])
        config = _text_config(self._info, model_path)
        self._text = embed_label_set(self.labels, config, job.templates, EmbeddingCache())
        self.notices += self._text.notices
        self._threads = job.threads or os.cpu_count() or 1

    def __iter__(self) -> Iterator[Done | Failed]:
        """Labels embedding after embedding; a broken one costs itself alone.

        Raises:
            LsegError: what would stop every one, such as a full disk.
        """
        encoder = self._text.encoder
        self.folder.begin({"encoder": encoder.model_dump(mode="json"), "templates": encoder.templates})
        for path, name in self._files:
            record = self._label(path, name)
            self.done, self.failed = self.done + isinstance(record, Done), self.failed + isinstance(record, Failed)
            self.folder.record(record)
            yield record

    def finish(self) -> int:
        """Writes run.json; the exit code: 0 all good, 3 some failed, 4 all failed."""
        code = 4 if not self.done else 3 if self.failed else 0
        report: dict[str, Any] = {
            "argv": sys.argv,
            "options": asdict(self._job),
            "labels_sha256": self.labels.digest(),
            "model": {"name": self._info.model.name, "sha256": self._info.model_sha256},
            "counts": {"found": self.total, "done": self.done, "failed": self.failed},
            "seconds": round(time.perf_counter() - self._start, 3),
            "exit_code": code,
            "lseg": __version__,
        }
        self.folder.write_json("run.json", report)
        return code

    def _label(self, path: Path, name: str) -> Done | Failed:
        stage, ms = "read", dict[str, float]()
        try:
            with stopwatch(ms, "read"):
                embedding = read_embedding(path)
                self._check_model(embedding, path)
                picture = self._picture(embedding.info)
            stage = "infer"
            needs_confidence = self._job.min_confidence > 0 or "conf" in self._job.save
            result = relabel(embedding, self._text.vectors, needs_confidence, self._threads)
            ms |= result.ms
            unsure = None if result.confidence is None else result.confidence < self._job.min_confidence
            stage = "write"
            with stopwatch(ms, "write"):
                ids = self.folder.ids(result.index, unsure)
                mask = self.folder.write_picture(name, picture, ids, result.confidence)
            share, ignored = self.folder.shares(ids)
        except DataError as error:
            return Failed(str(path), stage, str(error))
        except MemoryError:
            return Failed(str(path), stage, "The memory is full; take fewer labels.")
        height, width = ids.shape
        return Done(str(path), mask, height, width, share, ignored, round(result.mean_confidence, 6), ms)

    def _check_model(self, embedding: Embedding, path: Path) -> None:
        if embedding.info.model_sha256 != self._info.model_sha256:
            raise DataError(f"{path} was made by another model than the first of these embeddings; relabel it alone.")

    def _picture(self, info: EmbeddingInfo) -> Image.Image | None:
        """The picture itself, for overlays."""
        if "overlay" not in self._job.save:
            return None
        picture = open_image(Path(info.source))
        if (picture.height, picture.width) != info.picture_px:
            raise DataError(f"{info.source} has another size than when it was embedded; embed it again.")
        return picture


def _first_info(paths: list[Path]) -> EmbeddingInfo:
    """What the first sound file says; a broken one fails later, by itself.

    Raises:
        DataError: all are broken.
    """
    for path in paths:
        try:
            return read_info(path)
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
