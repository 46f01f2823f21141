from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.config import DataRef, ModelConfig, TextConfig
from lseg_cli.contract import GraphSpec, Output
from lseg_cli.data.datasets import open_dataset
from lseg_cli.evaluation.runner import evaluate
from lseg_cli.inference.segmenter import Segmentation, Segmenter

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


def test_masks_are_compared_at_their_own_size(mini: Path, engine: ColourEngine) -> None:
    dataset = open_dataset(DataRef(path=str(mini), split="val"))
    scores = evaluate(Segmenter(engine, COLOURS, size=(32, 64)), dataset)
    assert engine.sizes == [(1, 32, 64, 3)] * 2
    assert scores.pictures == 2
    assert 0.8 < scores.mean_iou < 1
