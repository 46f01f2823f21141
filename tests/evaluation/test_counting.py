from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.config import DataRef, ModelConfig, TextConfig
from lseg_cli.contract import GraphSpec, Output
from lseg_cli.data.datasets import Dataset, open_dataset
from lseg_cli.errors import DataError
from lseg_cli.evaluation.counting import Tally, WholePicture, evaluate
from lseg_cli.evaluation.labelling import Labelling
from lseg_cli.inference.segmentation import Segmentation
from lseg_cli.inference.segmenter import PixelOutputs, Segmenter

COLOURS = np.array([[97, 167, 247], [117, 117, 117], [207, 37, 37]], np.float32)  # of sky, road and car, on average


class ColourEngine:
    """Its text embeddings are colours: the nearest label to each pixel wins."""

    device, precision = "cpu", "fp32"

    def __init__(self, config: ModelConfig) -> None:
        text = TextConfig(kind="words", name="colours", width=3)
        self.spec = GraphSpec(model=config.model_copy(update={"text": text}), model_sha256="")
        self.sizes: list[tuple[int, ...]] = []

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        self.sizes.append(image.shape)
        half = image[:, None, ::2, ::2].astype(np.float32)
        return {"scores": -np.abs(half - text[None, :, None, None]).sum(-1) / 100}


class ColourSegmenter(Segmenter):
    """The label whose colour is nearest to each pixel's: sharp, without a network's half size."""

    def segment(self, picture: NDArray[np.uint8]) -> Segmentation:
        distance = np.abs(picture[None].astype(np.float32) - self.text[:, None, None]).sum(-1)
        return Segmentation(distance.argmin(0)[None].astype(np.uint16), None, 1.0, {})


@pytest.fixture
def engine(pyramid_config: ModelConfig) -> ColourEngine:
    return ColourEngine(pyramid_config)


def test_a_perfect_segmenter_scores_one(mini: Path, engine: ColourEngine) -> None:
    dataset = open_dataset(DataRef(path=str(mini), split="val"))
    scores = evaluate(ColourSegmenter(engine, COLOURS), dataset)
    assert scores.class_iou == {"sky": 1.0, "road": 1.0, "car": 1.0}
    assert (scores.mean_iou, scores.pixel_accuracy, scores.pictures) == (1.0, 1.0, 2)


def test_labels_in_a_wrong_order_score_as_such(mini: Path, engine: ColourEngine) -> None:
    dataset = open_dataset(DataRef(path=str(mini), split="val"))
    scores = evaluate(ColourSegmenter(engine, COLOURS[[1, 0, 2]]), dataset)
    assert scores.class_iou == {"sky": 0.0, "road": 0.0, "car": 1.0}
    cars = [(ids == 2).sum() / (ids != 255).sum() for _, ids in (dataset.read(index) for index in range(2))]
    assert scores.pixel_accuracy == pytest.approx(np.mean(cars))


def test_an_answer_that_is_no_number_names_the_picture(mini: Path, engine: ColourEngine) -> None:
    dataset = open_dataset(DataRef(path=str(mini), split="val"))
    with pytest.raises(DataError, match=f"{dataset.images[0]}: The network's answer is not a number"):
        evaluate(Segmenter(engine, COLOURS * np.nan), dataset)


def test_pixels_below_the_confidence_get_no_label(mini: Path, engine: ColourEngine) -> None:
    dataset = open_dataset(DataRef(path=str(mini), split="val"))
    picture, _ = dataset.read(0)
    segmenter = Segmenter(engine, COLOURS, outputs=PixelOutputs(probability=True))
    confidence = segmenter.segment(picture).confidence
    assert confidence is not None
    bar = float(np.median(confidence))
    index = WholePicture(segmenter, bar).predict(picture, dataset.images[0])
    assert ((index == len(COLOURS)) == (confidence < bar)).all()
    assert 0 < (index == len(COLOURS)).mean() < 1


def test_predictors_are_counted_side_by_side(mini: Path, engine: ColourEngine) -> None:
    dataset = open_dataset(DataRef(path=str(mini), split="val"))
    labels = [WholePicture(ColourSegmenter(engine, COLOURS[order])) for order in ([0, 1, 2], [1, 0, 2])]
    tally = Tally(labels, Labelling.of(dataset.classes, dataset.ignore))
    assert list(tally.run(dataset, range(2))) == [0, 1]
    right, swapped = (confusion.scores() for confusion in tally.confusions)
    assert (right.mean_iou, swapped.class_iou) == (1.0, {"sky": 0.0, "road": 0.0, "car": 1.0})
    cars = sum(int((dataset.read(index)[1] == 2).sum()) for index in range(2))
    assert cars <= tally.equal < 1.3 * cars  # and those of the ignored border
    assert tally.pixels == 2 * picture_size(dataset)
    other = Tally(labels, Labelling.of(dataset.classes, dataset.ignore))
    other.take(2 * tally.numbers())
    assert (other.confusions[1].matrix == 2 * tally.confusions[1].matrix).all()
    assert (other.pixels, other.confusions[0].pictures) == (2 * tally.pixels, 4)


def picture_size(dataset: Dataset) -> int:
    return dataset.read(0)[1].size


def test_masks_are_compared_at_their_own_size(mini: Path, engine: ColourEngine) -> None:
    dataset = open_dataset(DataRef(path=str(mini), split="val"))
    scores = evaluate(Segmenter(engine, COLOURS, size=(32, 64)), dataset)
    assert engine.sizes == [(1, 32, 64, 3)] * 2
    assert scores.pictures == 2
    assert 0.8 < scores.mean_iou < 1
