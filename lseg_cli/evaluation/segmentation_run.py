"""What `lseg eval` does between its options and its report, for protocols that give every pixel one of many labels."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lseg_cli.config import DataRef
from lseg_cli.contract import Engine, GraphSpec
from lseg_cli.data.datasets import open_dataset
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError
from lseg_cli.evaluation.counting import Predictor, Tally, WholePicture
from lseg_cli.evaluation.labelling import find_classes
from lseg_cli.evaluation.metrics import Confusion, mean_of
from lseg_cli.evaluation.options import EvalOptions, refuse
from lseg_cli.evaluation.paper import find_fact
from lseg_cli.evaluation.processes import Processes
from lseg_cli.evaluation.queried_labels import QueriedLabels
from lseg_cli.evaluation.report import described
from lseg_cli.evaluation.saved_masks import SavedMasks
from lseg_cli.evaluation.windows import Windowed, WindowPlan
from lseg_cli.inference.batch import choose_batch
from lseg_cli.inference.segmenter import PixelOutputs, Segmenter

OpenEngine = Callable[[EngineChoice], Engine]


class EvalRun:
    """One evaluation, of one model or of two to be compared.

    Attributes:
        notices: what the user should know.
    """

    def __init__(self, options: EvalOptions, ref: DataRef, open_engine: OpenEngine, processes: Processes) -> None:
        """Opens the models and embeds their labels.

        Args:
            options: what to measure.
            ref: the data set and its split.
            open_engine: as `lseg_engines.opener.open_engine`.
            processes: of which this is one.

        Raises:
            LsegError: options, labels, data and models that do not fit each other.
        """
        self._split = ref.split  # which --data may name
        self._options, self._dataset, self._processes = options, open_dataset(ref), processes
        saved = _open_masks(options)
        self._queried = QueriedLabels(options, self._dataset, saved)
        self.notices = self._queried.notices
        engines = () if saved else options.engines
        self._engines = [open_engine(processes.own(engine)) for engine in engines]
        self.notices += other_sizes(options, [engine.spec for engine in self._engines])
        predictors = [saved] if saved else [self._predictor(engine) for engine in self._engines]
        self._tally = Tally(predictors, self._queried.labelling)

    def _predictor(self, engine: Engine) -> Predictor:
        options, text = self._options, self._queried.embedded(engine.spec.model.text)
        if options.protocol == "whole":
            outputs = PixelOutputs(probability=options.min_confidence > 0)
            threads = options.engines[0].threads or os.cpu_count() or 1
            segmenter = Segmenter(engine, text, options.imgsz, outputs, threads)
            return WholePicture(segmenter, options.min_confidence)
        batch = choose_batch(options.batch, engine.device == "cpu", engine.spec.max_batch)
        return Windowed(engine, text, plan_of(options), batch, options.min_confidence)

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
        options, tally = self._options, self._tally
        plan = {"imgsz": options.imgsz} if options.protocol == "whole" else asdict(plan_of(options))
        if options.masks:
            results = [{"model": options.masks} | self._figures(tally.confusions[0])]
        else:
            results = [
                described(choice.model, engine) | self._figures(confusion, self._paper(engine))
                for choice, engine, confusion in zip(options.engines, self._engines, tally.confusions, strict=True)
            ]
        report: dict[str, Any] = {
            "data": self._dataset.name,
            "split": self._split,
            "protocol": {"name": options.protocol, **plan},
            "pictures": tally.confusions[0].pictures,
            "labels": list(self._queried.names),
            "extra_labels": list(self._queried.labelling.extra),
            "left_out": list(self._queried.labelling.left_out),
            "min_confidence": options.min_confidence,
            "results": results,
        }
        if len(results) == 2:
            report["comparison"] = {
                "equal_labels": tally.equal / max(tally.pixels, 1),
                "mean_iou": results[1]["mean_iou"] - results[0]["mean_iou"],
                "class_iou": _differences(*(result["class_iou"] for result in results)),
            }
        return report

    def _paper(self, engine: Engine) -> dict[str, Any] | None:
        if any(self._options.changes().values()):
            return None
        fact = find_fact(engine.spec.model, self._dataset.name, self._options.protocol)
        return asdict(fact) if fact else None

    def _figures(self, confusion: Confusion, paper: dict[str, Any] | None = None) -> dict[str, Any]:
        scores = confusion.scores()
        figures = asdict(scores)
        del figures["pictures"]
        if self._options.unseen:
            numbers = find_classes(self._options.unseen, confusion.classes, "--unseen")
            unseen = {confusion.classes[number] for number in numbers}
            figures["unseen_iou"] = mean_of(scores.class_iou, unseen)
            figures["seen_iou"] = mean_of(scores.class_iou, set(confusion.classes) - unseen)
        if left_out := self._queried.labelling.left_out:
            figures["asked_iou"] = mean_of(scores.class_iou, set(confusion.classes) - set(left_out))
            figures["rejected"] = _rejected(confusion, left_out)
        figures["paper"] = paper
        figures["confusion"] = {
            "classes": list(confusion.classes),
            "predicted": list(confusion.labels),
            "pixels": confusion.matrix.tolist(),
        }
        return figures


def _open_masks(options: EvalOptions) -> SavedMasks | None:
    """The masks to measure, if it is masks.

    Raises:
        LsegError: options that would change them.
        DataError: it is not a folder of masks.
    """
    if options.masks is None:
        return None
    given = options.changes() | {
        "--label-map": None,  # is applied to what is found
        "--compare": len(options.engines) > 1,
        f"--protocol {options.protocol}": options.protocol != "whole",
    }
    refuse(given, "--masks, which are as they are")
    return SavedMasks(Path(options.masks))


def other_sizes(options: EvalOptions, specs: Sequence[GraphSpec]) -> list[str]:
    """A notice where two models that are compared see the pictures at different sizes."""
    if options.protocol != "whole" or isinstance(options.imgsz, tuple):
        return []
    sizes = {(spec.height_px, spec.width_px, _long_side(spec, options)) for spec in specs}
    if len(sizes) < 2:
        return []
    seen = [f"{spec.height_px}x{spec.width_px}" if spec.height_px else f"{_long_side(spec, options)}" for spec in specs]
    fixed = {size for size, spec in zip(seen, specs, strict=True) if spec.height_px}
    advice = f"; --imgsz {fixed.pop()} gives both one" if len(fixed) == 1 else ""
    return [f"The two see pictures at different sizes, {' and '.join(seen)} px, which changes figures too{advice}."]


def _long_side(spec: GraphSpec, options: EvalOptions) -> object:
    """In px, where it can be chosen."""
    return None if spec.height_px else options.imgsz or spec.model.image.long_side_px


def plan_of(options: EvalOptions) -> WindowPlan:
    """The windows of a protocol that has some.

    Raises:
        LsegError: `--imgsz` with the protocol that fixes it, or of two sides.
    """
    if options.protocol == "lseg-paper":
        if options.imgsz is not None:
            raise LsegError("The protocol lseg-paper has sizes of its own; omit --imgsz, or use slide.")
        return WindowPlan()
    size = options.imgsz
    if isinstance(size, tuple):
        raise LsegError(f"--imgsz {size[0]}x{size[1]} cannot be used with windows; give the long side alone.")
    stride = math.ceil(options.window * 2 / 3) if options.stride is None else options.stride
    return WindowPlan(options.window, stride, size, (1.0,), mirror=False, shifts_last=True)


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
