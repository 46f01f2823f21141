"""What segments pictures, made of a run's options: the same in the process of a run and in its workers elsewhere."""

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lseg_cli.contract import Engine
from lseg_cli.data.labels import LabelSet
from lseg_cli.data.store import locate_output
from lseg_cli.errors import LsegError
from lseg_cli.inference.segmenter import Segmenter, Wish
from lseg_cli.inference.tiling import Tiling
from lseg_cli.results.folder import OutputFolder
from lseg_cli.runs.options import SegmentJob, count_streams, default_workers
from lseg_cli.runs.steps import Steps


@dataclass(frozen=True)
class Work:
    """Options with the labels that they name.

    Attributes:
        job: as the user wrote it.
        labels: in their colours.
    """

    job: SegmentJob
    labels: LabelSet

    def check(self) -> None:
        """What can be known before anything costly.

        Raises:
            LsegError: options that cannot be used, or do not go together.
        """
        whole = [kind for kind in ("probs", "embeddings") if kind in self.job.save]
        if self._tiling and whole:
            raise LsegError(f"--save {whole[0]} is of a whole picture as the network sees it; it goes without --tile.")

    def folder(self) -> OutputFolder:
        """Where the results go; raises as `locate_output` and `OutputFolder`."""
        return OutputFolder(
            locate_output(self.job.out),
            self.labels,
            (*self.job.save, "top-k") if self.job.top_k > 1 else self.job.save,
            str(self.job.shard or ""),
            self.job.formats,
            has_colors=self.job.palette != "none",
        )

    def steps(self, engine: Engine, vectors: NDArray[np.float32], folder: OutputFolder, are_many: bool) -> Steps:
        """What is done with a picture.

        Args:
            engine: any.
            vectors: (N, C) of the labels.
            folder: to write to.
            are_many: pictures are side by side, so that none needs all cores for itself.

        Raises:
            LsegError: a size that the engine does not take.
        """
        job, tiling = self.job, self._tiling
        threads = 1 if tiling is None and are_many else self._cores
        segmenter = Segmenter(engine, vectors, job.imgsz, threads=threads)
        needs_probability = job.min_confidence > 0 or job.min_margin > 0 or job.top_k > 1 or "conf" in job.save
        segmenter.wish = Wish(max(job.top_k, 2 if job.min_margin else 1), needs_probability)
        steps = Steps(segmenter, folder, job.min_confidence, job.min_margin, tiling)
        steps.max_megapixels = job.max_megapixels
        return steps

    def streams(self, pictures: int) -> int:
        """How many of so many pictures a CPU infers side by side."""
        is_single = self._tiling is None and self.job.batch in (None, 1)
        return count_streams(self._cores, pictures) if is_single else 1

    def threads(self, pictures: int) -> int | None:
        """Of an engine for so many pictures; None: as its runtime chooses."""
        streams = self.streams(pictures)
        return self._cores // streams if streams > 1 else self.job.engine.threads

    @property
    def _cores(self) -> int:
        return self.job.engine.threads or os.cpu_count() or 1

    @property
    def workers(self) -> int:
        """Threads that read, and as many that write."""
        return self.job.workers or default_workers(os.cpu_count() or 1)

    @property
    def _tiling(self) -> Tiling | None:
        return Tiling.of(self.job.tile, self.job.overlap)
