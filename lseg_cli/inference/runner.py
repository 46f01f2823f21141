"""One run over many pictures: what `lseg segment` does between its options and its output."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from lseg_cli import __version__
from lseg_cli.contract import Engine
from lseg_cli.data.images import PictureError, Source, find_images, read_image
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.errors import DataError, LsegError
from lseg_cli.inference.job import SegmentJob
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.inference.names import output_names
from lseg_cli.inference.segmenter import Segmentation, Segmenter, stopwatch
from lseg_cli.inference.writers import Done, Failed, OutputFolder
from lseg_cli.model.embedding_cache import EmbeddingCache

_PACKAGES = ("numpy", "opencv-python", "opencv-python-headless", "pillow", "torch", "timm", "onnxruntime", "tensorrt")

OpenEngine = Callable[[str, str, str, int | None], Engine]


@dataclass
class Summary:
    """Figures of a run so far."""

    total: int
    done: int = 0
    failed: int = 0
    share: dict[str, float] = field(default_factory=dict)  # summed over pictures, by label
    ignored: float = 0.0
    seconds: float = 0.0

    def add(self, record: Done | Failed) -> None:
        """Counts one picture."""
        if isinstance(record, Failed):
            self.failed += 1
            return
        self.done += 1
        self.ignored += record.ignored
        for name, share in record.share.items():
            self.share[name] = self.share.get(name, 0.0) + share

    @property
    def exit_code(self) -> int:
        """0 all good, 3 some failed, 4 all failed."""
        return 4 if not self.done else 3 if self.failed else 0


class Run:
    """A run that is ready to go: iterate inside a `with` block, which writes run.json whatever happens."""

    def __init__(self, job: SegmentJob, open_engine: OpenEngine) -> None:
        """Checks what is cheap to check first: labels, pictures, output folder; then opens the engine and embeds.

        Args:
            job: what to do.
            open_engine: (model, device, precision, threads) -> an engine; seconds.

        Raises:
            LsegError: labels, paths, sizes or folder cannot be used; or as `open_engine`.
        """
        self._start = time.perf_counter()
        self.job = job
        self.labels, self.notices = open_labels(job.labels)
        size = parse_size(job.imgsz)
        self.folder = OutputFolder(Path(job.out), self.labels, job.save)
        self.folder.check(job.overwrite)
        self._sources = find_images(job.inputs)
        self.summary = Summary(len(self._sources))
        self.engine = open_engine(job.model, job.device, job.precision, job.threads)
        embedded = embed_label_set(self.labels, self.engine.spec.model.text, job.templates, EmbeddingCache())
        self.notices += embedded.notices
        self._text = embedded.encoder
        needs_confidence = job.min_confidence > 0 or "conf" in job.save
        threads = job.threads or os.cpu_count() or 1
        self._segmenter = Segmenter(self.engine, embedded.vectors, size, needs_confidence, threads)

    def __enter__(self) -> "Run":
        """Makes the output folder."""
        self.folder.begin({"encoder": self._text.model_dump(mode="json"), "templates": self._text.templates})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Writes run.json."""
        self.summary.seconds = round(time.perf_counter() - self._start, 3)
        self.folder.write_json("run.json", self._report(_exit_code(error, self.summary)))

    def __iter__(self) -> Iterator[Done | Failed]:
        """Segments picture after picture; a broken one costs itself alone.

        Raises:
            LsegError: what would stop every picture, such as a full disk.
        """
        for source, name in zip(self._sources, output_names(self._sources), strict=True):
            record = self._segment(source, name)
            self.folder.record(record)
            self.summary.add(record)
            yield record

    def _segment(self, source: Source, name: str) -> Done | Failed:
        stage, ms = "read", dict[str, float]()
        try:
            with stopwatch(ms, "read"):
                picture = read_image(source.path)
            stage = "infer"
            result = self._segmenter.segment(picture)
            ms |= result.ms
            stage = "write"
            with stopwatch(ms, "write"):
                ids = self.folder.ids(result.index, self._unsure(result))
                mask = self.folder.write_picture(name, picture, ids, result.confidence)
            share, ignored = self.folder.shares(ids)
        except DataError as error:
            stage = error.stage if isinstance(error, PictureError) else stage
            return Failed(str(source.path), stage, str(error))
        except MemoryError:
            return Failed(str(source.path), stage, "The memory is full; segment this picture at a smaller size.")
        height, width = ids.shape
        return Done(str(source.path), mask, height, width, share, ignored, round(result.mean_confidence, 6), ms)

    def _unsure(self, result: Segmentation) -> "np.ndarray[Any, np.dtype[np.bool_]] | None":
        if result.confidence is None or not self.job.min_confidence:
            return None
        return result.confidence < self.job.min_confidence

    def _report(self, exit_code: int) -> dict[str, Any]:
        """What run.json says."""
        summary = self.summary
        return {
            "argv": sys.argv,
            "folder": str(Path.cwd()),
            "options": asdict(self.job),
            "labels_sha256": self.labels.digest(),
            "model": {"name": self.engine.spec.model.name, "sha256": self.engine.spec.model_sha256},
            "device": self.engine.device,
            "precision": self.engine.precision,
            "counts": {"found": summary.total, "done": summary.done, "failed": summary.failed},
            "seconds": summary.seconds,
            "exit_code": exit_code,
            "versions": {"lseg": __version__, "python": platform.python_version(), **_versions()},
            "platform": platform.platform(),
        }


def parse_size(text: str | None) -> int | tuple[int, int] | None:
    """`480` -> 480, the long side; `480x640` -> (480, 640), height and width; None stays None.

    Raises:
        LsegError: anything else.
    """
    if text is None:
        return None
    sides = text.lower().replace(",", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdecimal() for side in sides):
        raise LsegError(f"--imgsz {text!r} is no size; write the long side (480) or height x width (480x640).")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def _exit_code(error: BaseException | None, summary: Summary) -> int:
    if error is None:
        return summary.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 130
    return int(getattr(error, "exit_code", 1))  # of LsegError, and of whatever the command line ends with


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
