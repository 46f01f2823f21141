"""Many pictures -> their embeddings on disk: what `lseg embed` does between its options and its output."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from lseg_cli import __version__
from lseg_cli.contract import Engine
from lseg_cli.data.finding import JOURNAL, Source, find_images
from lseg_cli.data.images import PictureError, open_image
from lseg_cli.data.store import locate_output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import DataError, LsegError
from lseg_cli.files import atomic
from lseg_cli.inference.embedding import as_encoder, check_format, check_stride, encode, write_embedding
from lseg_cli.inference.segmentation import stopwatch
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.results.folder import FAILURES
from lseg_cli.results.names import output_names
from lseg_cli.results.records import Failed
from lseg_cli.runs.embedding_options import EmbedJob

EMBEDDINGS = "embeddings"  # the folder of the files, below the output folder


@dataclass(frozen=True)
class Embedded:
    """A picture that was embedded: a line of results.jsonl."""

    source: str
    embedding: str  # below the output folder
    height_px: int
    width_px: int
    ms: dict[str, float]  # per stage


class EmbedRun:
    """A run that is ready to go: iterate over it, then `finish`."""

    def __init__(self, job: EmbedJob, open_engine: Callable[[EngineChoice], Engine]) -> None:
        """Checks what is cheap to check first, then opens the engine.

        Raises:
            LsegError: paths, size, stride, format or folder cannot be used; or as `open_engine`.
            MismatchError: the model is an exported graph, which gives masks only.
        """
        self._start = time.perf_counter()
        self._job = job
        self.folder = locate_output(job.out)
        check_stride(job.stride)
        self._suffix = check_format(job.format)
        if (self.folder / JOURNAL).exists() and not job.overwrite:
            raise LsegError(f"{self.folder} holds the results of an earlier run; use --overwrite, or another -o.")
        self._sources = find_images(job.inputs)
        self.total = len(self._sources)
        self.done = self.failed = 0
        self.notices: list[str] = []
        self.engine = open_engine(job.engine)
        as_encoder(self.engine)
        any_label = np.ones((1, self.engine.spec.model.text.width), np.float32)  # labels come later
        self._segmenter = Segmenter(self.engine, any_label, job.imgsz)

    def __iter__(self) -> Iterator[Embedded | Failed]:
        """Embeds picture after picture; a broken one costs itself alone.

        Raises:
            LsegError: what would stop every picture, such as a full disk.
        """
        journals = {Embedded: self.folder / JOURNAL, Failed: self.folder / FAILURES}
        for path in journals.values():
            with atomic(path) as draft:
                draft.write_bytes(b"")
        for source, name in zip(self._sources, output_names(self._sources), strict=True):
            record = self._embed(source, name)
            self.done, self.failed = self.done + isinstance(record, Embedded), self.failed + isinstance(record, Failed)
            line = json.dumps(asdict(record), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
            with journals[type(record)].open("ab") as file:
                file.write(line)
            yield record

    def finish(self) -> int:
        """Writes run.json; the exit code: 0 all good, 3 some failed, 4 all failed."""
        code = 4 if not self.done else 3 if self.failed else 0
        spec = self.engine.spec
        report = {
            "argv": sys.argv,
            "options": asdict(self._job),
            "model": {"name": spec.model.name, "sha256": spec.model_sha256},
            "device": self.engine.device,
            "counts": {"found": self.total, "done": self.done, "failed": self.failed},
            "seconds": round(time.perf_counter() - self._start, 3),
            "exit_code": code,
            "lseg": __version__,
        }
        with atomic(self.folder / "run.json") as draft:
            draft.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        return code

    def _embed(self, source: Source, name: str) -> Embedded | Failed:
        stage, ms = "read", dict[str, float]()
        try:
            with stopwatch(ms, "read"):
                picture = open_image(source.path)
            stage = "infer"
            size = picture.height, picture.width
            with stopwatch(ms, "infer"):
                image = self._segmenter.preprocess(picture)
                embedding = encode(self.engine, image, size, self._job.stride, str(source.path))
            stage = "write"
            path = f"{EMBEDDINGS}/{name}.{self._suffix}"
            with stopwatch(ms, "write"):
                write_embedding(embedding, self.folder / path)
        except DataError as error:
            return Failed(str(source.path), error.stage if isinstance(error, PictureError) else stage, str(error))
        except MemoryError:
            return Failed(str(source.path), stage, "The memory is full; embed this picture at a smaller size.")
        return Embedded(str(source.path), path, *size, ms)
