"""One validation of a training run: the set's scores and each picture's, and the best and worst pictures to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lseg_cli.data.datasets import Dataset
from lseg_cli.drawing.contact_sheet import Sample, write_sheet
from lseg_cli.evaluation.counting import Tally, WholePicture
from lseg_cli.evaluation.labelling import IGNORED, Labelling
from lseg_cli.evaluation.metrics import Confusion, Scores
from lseg_cli.evaluation.report_files import write_confusion
from lseg_cli.inference.segmenter import Segmenter

SHOWN = 6  # pictures of a sheet


@dataclass(frozen=True)
class Validation:
    """What was counted.

    Attributes:
        scores: of the whole set.
        confusion: of the whole set.
        picture_miou: by picture; None where no pixel has a class.
    """

    scores: Scores
    confusion: Confusion
    picture_miou: tuple[float | None, ...]

    def ranked(self) -> list[int]:
        """Numbers of the pictures that have a mIoU, the worst first."""
        known = [(iou, number) for number, iou in enumerate(self.picture_miou) if iou is not None]
        return [number for _, number in sorted(known)]


def validate(segmenter: Segmenter, dataset: Dataset) -> Validation:
    """Compare a segmenter's labels with the data set's masks.

    Args:
        segmenter: its labels are the data set's classes, in their order.
        dataset: one split.

    Raises:
        DataError: as `Tally.run`.
    """
    labelling = Labelling.of(dataset.classes, dataset.ignore)
    tally = Tally([WholePicture(segmenter)], labelling)
    whole, before = tally.confusions[0], np.zeros_like(tally.confusions[0].matrix)
    of_pictures: list[float | None] = []
    for _ in tally.run(dataset, range(len(dataset))):
        one = Confusion(labelling.classes, IGNORED, labelling.extra)
        one.matrix = whole.matrix - before
        of_pictures.append(one.scores().mean_iou if one.matrix.any() else None)
        before = whole.matrix.copy()
    return Validation(whole.scores(), whole, tuple(of_pictures))


def write_pictures(validation: Validation, segmenter: Segmenter, dataset: Dataset, folder: Path) -> None:
    """Write `confusion.csv` and `confusion.png`, and the sheets `worst.jpg` and `best.jpg`.

    A row of a sheet is the picture, its true mask and the mask found.

    Args:
        validation: of this segmenter on this data set.
        segmenter: it labels the pictures of the sheets once more.
        dataset: as in `validate`.
        folder: of the run.

    Raises:
        DataError: a file cannot be written.
        MissingError: the disk is full.
    """
    confusion = validation.confusion
    write_confusion(confusion.classes, confusion.labels, confusion.matrix.tolist(), folder)
    ranked = validation.ranked()
    for name, numbers in (("worst", ranked[:SHOWN]), ("best", ranked[::-1][:SHOWN])):
        if numbers:
            write_sheet(_samples(numbers, validation, segmenter, dataset), folder / f"{name}.jpg")


def _samples(numbers: Sequence[int], validation: Validation, segmenter: Segmenter, dataset: Dataset) -> list[Sample]:
    samples: list[Sample] = []
    for number in numbers:
        picture, truth = dataset.read(number)
        found = segmenter.segment(picture).index.astype(np.int16)
        nothing = np.full_like(truth, dataset.ignore)
        titles = (dataset.images[number].name, "true mask", f"found: mIoU {validation.picture_miou[number]:.3f}")
        for title, ids in zip(titles, (nothing, truth, found), strict=True):
            samples.append(Sample(title, picture, ids, dataset.classes, dataset.ignore))
    return samples
