"""What `lseg eval` does between its options and its report, for protocols that give every pixel one of many labels."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from lseg_cli.config import DataRef
from lseg_cli.contract import Engine
from lseg_cli.data.datasets import open_dataset
from lseg_cli.data.labels import LabelSet, parse_labels
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.errors import LsegError
from lseg_cli.evaluation.job import EvalJob
from lseg_cli.evaluation.labelling import Labelling, find_classes, read_label_map
from lseg_cli.evaluation.metrics import Confusion, mean_of
from lseg_cli.evaluation.paper import find_fact
from lseg_cli.evaluation.processes import Processes
from lseg_cli.evaluation.runner import Predictor, Tally, WholePicture
from lseg_cli.evaluation.windows import Floats, Windowed, WindowPlan
from lseg_cli.inference.job import parse_batch
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.inference.runner import parse_size
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.model.embedding_cache import EmbeddingCache

OpenEngine = Callable[[str, str, str, int | None], Engine]


class EvalRun:
    """One evaluation, of one model or of two to be compared.

    Attributes:
        notices: what the user should know.
    """

    def __init__(self, job: EvalJob, ref: DataRef, open_engine: OpenEngine, processes: Processes) -> None:
        """Opens the models and embeds their labels.

        Args:
            job: what to do.
            ref: the data set and its split.
            open_engine: as `lseg_engines.opener.open_engine`.
            processes: of which this is one.

        Raises:
            LsegError: options, labels, data and models that do not fit each other.
        """
        self.notices: list[str] = []
        self._split = ref.split  # which --data may name
        dataset = open_dataset(ref)
        self._job, self._dataset, self._processes = job, dataset, processes
        self._given = self._open(open_labels, job.labels) or LabelSet.of(dataset.classes)
        self._extra = self._open(parse_labels, job.extra_labels)
        self.labelling = Labelling.of(
            dataset.classes,
            dataset.ignore,
            self._given.names if job.labels is not None else None,
            self._extra.names if self._extra else (),
            job.without,
            read_label_map(Path(job.label_map), dataset.classes) if job.label_map else None,
        )
        find_classes(job.unseen, self.labelling.classes, "--unseen")
        device = processes.device(job.device)
        self._engines = [open_engine(model, device, job.precision, job.threads) for model in job.models]
        self._tally = Tally([self._predictor(engine) for engine in self._engines], self.labelling)

    def _open(self, opener: Callable[[str], tuple[LabelSet, list[str]]], text: str | None) -> LabelSet | None:
        if text is None:
            return None
        labels, notices = opener(text)
        self.notices += notices
        return labels

    def _embedded(self, engine: Engine) -> Floats:
        """(N, C), the labels asked for and the extra ones."""
        text, cache = engine.spec.model.text, EmbeddingCache()
        parts = [embed_label_set(self._given, text, self._job.templates, cache)]
        if self._extra is not None:
            parts.append(embed_label_set(self._extra, text, self._job.templates, cache))
        for part in parts:
            self.notices += [notice for notice in part.notices if notice not in self.notices]
        asked = parts[0].vectors[list(self.labelling.asked)]
        return np.concatenate([asked, *(part.vectors for part in parts[1:])])

    def _predictor(self, engine: Engine) -> Predictor:
        job, text = self._job, self._embedded(engine)
        if job.protocol == "whole":
            with_confidence, threads = job.min_confidence > 0, job.threads or os.cpu_count() or 1
            segmenter = Segmenter(engine, text, parse_size(job.imgsz), with_confidence, threads)
            return WholePicture(segmenter, job.min_confidence)
        batch = parse_batch(job.batch, engine.device == "cpu", engine.spec.max_batch)
        return Windowed(engine, text, plan_of(job), batch, job.min_confidence)

    def __len__(self) -> int:
        """How many pictures this process looks at."""
        return len(self._processes.turns(len(self._dataset)))

    def run(self) -> Iterator[int]:
        """Looks at them, and yields each when it is done; then adds up what all processes have counted.

        Raises:
            DataError: as `Tally.run`.
        """
        yield from self._tally.run(self._dataset, self._processes.turns(len(self._dataset)))
        self._tally.take(self._processes.summed(self._tally.numbers()))

    def report(self) -> dict[str, Any]:
        """All that was found, fit for JSON."""
        job, tally = self._job, self._tally
        plan = {"imgsz": job.imgsz} if job.protocol == "whole" else asdict(plan_of(job))
        results = [
            described(model, engine) | self._figures(engine, confusion)
            for model, engine, confusion in zip(job.models, self._engines, tally.confusions, strict=True)
        ]
        report: dict[str, Any] = {
            "data": self._dataset.name,
            "split": self._split,
            "protocol": {"name": job.protocol, **plan},
            "pictures": tally.confusions[0].pictures,
            "labels": [self._given.names[position] for position in self.labelling.asked],
            "extra_labels": list(self.labelling.extra),
            "left_out": list(self.labelling.left_out),
            "min_confidence": job.min_confidence,
            "results": results,
        }
        if len(results) == 2:
            report["comparison"] = {
                "equal_labels": tally.equal / max(tally.pixels, 1),
                "mean_iou": results[1]["mean_iou"] - results[0]["mean_iou"],
                "class_iou": _differences(*(result["class_iou"] for result in results)),
            }
        return report

    def _figures(self, engine: Engine, confusion: Confusion) -> dict[str, Any]:
        scores = confusion.scores()
        figures = asdict(scores)
        del figures["pictures"]
        if self._job.unseen:
            numbers = find_classes(self._job.unseen, confusion.classes, "--unseen")
            unseen = {confusion.classes[number] for number in numbers}
            figures["unseen_iou"] = mean_of(scores.class_iou, unseen)
            figures["seen_iou"] = mean_of(scores.class_iou, set(confusion.classes) - unseen)
        if self.labelling.left_out:
            figures["rejected"] = _rejected(confusion, self.labelling.left_out)
        fact = None if _is_bent(self._job) else find_fact(engine.spec.model, self._dataset.name, self._job.protocol)
        figures["paper"] = asdict(fact) if fact else None
        figures["confusion"] = {
            "classes": list(confusion.classes),
            "predicted": list(confusion.labels),
            "pixels": confusion.matrix.tolist(),
        }
        return figures


def plan_of(job: EvalJob) -> WindowPlan:
    """The windows of a protocol that has some.

    Raises:
        LsegError: `--imgsz` with the protocol that fixes it, or of two sides.
    """
    if job.protocol == "lseg-paper":
        if job.imgsz is not None:
            raise LsegError("The protocol lseg-paper has sizes of its own; leave --imgsz away, or take slide.")
        return WindowPlan()
    size = parse_size(job.imgsz)
    if isinstance(size, tuple):
        raise LsegError(f"--imgsz {job.imgsz} cannot be used with windows; give the long side alone.")
    stride = math.ceil(job.window * 2 / 3) if job.stride is None else job.stride
    return replace(
        WindowPlan(),
        window_px=job.window,
        stride_px=stride,
        base_px=size,
        scales=(1.0,),
        mirror=False,
        shifts_last=True,
    )


def described(model: str, engine: Engine) -> dict[str, Any]:
    """Which model was looked at, and on what."""
    return {
        "model": model,
        "model_sha256": engine.spec.model_sha256,
        "device": engine.device,
        "precision": engine.precision,
    }


def _is_bent(job: EvalJob) -> bool:
    """Whether the data set is not asked for as it is, so that figures of others say nothing."""
    return bool(job.labels or job.extra_labels or job.without or job.label_map or job.templates or job.min_confidence)


def _rejected(confusion: Confusion, names: Sequence[str]) -> dict[str, float | None]:
    """Of classes that the model was not asked for: the share of their pixels that got no class."""
    count = len(confusion.classes)
    shares: dict[str, float | None] = {}
    for name in names:
        row = confusion.matrix[confusion.classes.index(name)]
        shares[name] = float(row[count:].sum() / row.sum()) if row.any() else None
    return shares


def _differences(first: dict[str, float | None], second: dict[str, float | None]) -> dict[str, float | None]:
    pairs = {name: (value, second[name]) for name, value in first.items()}
    return {name: None if a is None or b is None else b - a for name, (a, b) in pairs.items()}
