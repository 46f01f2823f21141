"""Tiles cover a picture, fade into each other, and leave no seam where the network gives no reason for one."""

from collections.abc import Collection
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.config import ModelConfig, RegularizerConfig
from lseg_cli.contract import FEATURES, GraphSpec, Output
from lseg_cli.errors import LsegError
from lseg_cli.inference.many_labels import FEW
from lseg_cli.inference.segmenter import PixelOutputs, Segmenter
from lseg_cli.inference.tiling import Tiling, segment_in_tiles
from lseg_cli.model.correlation import correlate
from lseg_cli.model.decoder import upsample2_each

Floats = NDArray[np.float32]
TEXT = np.random.default_rng(0).standard_normal((5, 16)).astype(np.float32)


class PixelEngine:
    """Scores that depend on a pixel's colour alone, so that tiles agree where they overlap."""

    device = "cpu"
    precision = "fp32"

    def __init__(self, config: ModelConfig) -> None:
        self.spec = GraphSpec(model=config, model_sha256="")
        self.shapes: list[tuple[int, ...]] = []

    def run(
        self, image: NDArray[np.uint8], text: Floats, outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        self.shapes.append(image.shape)
        return {"scores": np.einsum("bhwc,nc->bnhw", image[:, ::2, ::2].astype(np.float32) / 255, text[:, :3])}


def slopes(height: int, width: int) -> NDArray[np.uint8]:
    """Colours that change so little from pixel to pixel that halving and doubling moves nothing by much."""
    y, x = np.linspace(0, 255, height)[:, None], np.linspace(0, 255, width)[None]
    return np.stack([y + 0 * x, x + 0 * y, 255 - (x + y) / 2], axis=2).astype(np.uint8)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


@given(length=st.integers(1, 5000), tile=st.integers(64, 900), share=st.floats(0, 1 / 3))
def test_tiles_cover_a_side_and_at_most_two_count_at_a_place(length: int, tile: int, share: float) -> None:
    overlap = int(tile * share)
    spans = Tiling(tile, overlap).spans(length)
    assert spans[0].low == 0
    assert spans[-1].high == spans[-1].cell == length
    for span in spans:
        assert 0 <= span.start <= span.low < span.cell <= span.high <= span.stop <= length
        assert span.stop - span.start == min(tile, length)
    for one, other in pairwise(spans):
        assert one.cell == other.low
        assert one.high == other.low + overlap <= other.cell


@pytest.mark.parametrize("overlap", [0, 16, 21])
@pytest.mark.parametrize("size", [(200, 300), (64, 200), (130, 64), (65, 65), (40, 150)])
def test_without_seams_in_the_answers_there_are_none_in_the_result(
    size: tuple[int, int], overlap: int, pyramid_config: ModelConfig
) -> None:
    picture = slopes(*size)
    segmenter = Segmenter(PixelEngine(pyramid_config), TEXT, outputs=PixelOutputs(best=2, probability=True), threads=2)
    result = segment_in_tiles(segmenter, Tiling(64, overlap), Image.fromarray(picture))
    if min(size) < 64:
        assert result.index.shape == size
        return
    logits = np.einsum("hwc,nc->nhw", picture.astype(np.float32) / 255, TEXT[:, :3])
    expected, order = torch.from_numpy(logits).softmax(0).topk(2, 0)
    assert (result.best != order.numpy()).mean() < 0.05
    assert result.probability is not None
    assert np.abs(result.probability - expected.numpy()).max() < 0.02


def test_scores_at_half_the_size_are_doubled_tile_by_tile(pyramid_config: ModelConfig) -> None:
    picture = noise(64, 128)
    segmenter = Segmenter(PixelEngine(pyramid_config), TEXT)
    result = segment_in_tiles(segmenter, Tiling(64, 0), Image.fromarray(picture))
    halves = [np.einsum("hwc,nc->nhw", part[::2, ::2].astype(np.float32) / 255, TEXT[:, :3])
              for part in (picture[:, :64], picture[:, 64:])]  # fmt: skip
    expected = [upsample2_each(torch.from_numpy(half)[None])[0].argmax(0).numpy() for half in halves]
    assert (result.index != np.concatenate(expected, axis=1)).mean() < 1e-3


def test_very_many_labels_are_scored_from_the_features(pyramid_config: ModelConfig) -> None:
    """The engine's own scores of so many take gigabytes at a tile's size."""
    text = np.random.default_rng(2).standard_normal((FEW + 1, 16)).astype(np.float32)
    config = pyramid_config.model_copy(update={"regularizer": RegularizerConfig()})

    class Features(PixelEngine):
        def run(
            self, image: NDArray[np.uint8], text: Floats, outputs: Collection[Output]
        ) -> dict[str, NDArray[np.generic]]:
            assert tuple(outputs) == FEATURES
            corners = image[:, ::4, ::4].astype(np.float16) / 255
            return {"features": np.pad(corners, [(0, 0)] * 3 + [(1, 12)]).transpose(0, 3, 1, 2)}

    class Scores(Features):
        def run(
            self, image: NDArray[np.uint8], text: Floats, outputs: Collection[Output]
        ) -> dict[str, NDArray[np.generic]]:
            features = super().run(image, text, FEATURES)["features"].astype(np.float32)
            return {"scores": correlate(torch.from_numpy(features), torch.from_numpy(text)).numpy()}

    picture, tiling, outputs = Image.fromarray(noise(70, 130)), Tiling(64, 16), PixelOutputs(1, probability=True)
    results = []
    for engine in (Features(config), Scores(config)):
        segmenter = Segmenter(engine, text, outputs=outputs)
        if isinstance(engine, Scores):
            segmenter._labels = None
        results.append(segment_in_tiles(segmenter, tiling, picture))
    assert (results[0].index != results[1].index).mean() < 1e-3
    assert results[0].probability is not None
    assert results[1].probability is not None
    assert np.abs(results[0].probability - results[1].probability).max() < 1e-3


def test_one_tile_fades_into_the_next(pyramid_config: ModelConfig) -> None:
    class Steps(PixelEngine):
        """Label 1 gains from tile to tile: its margin over label 0 is 0, 1, 2, ..."""

        def run(
            self, image: NDArray[np.uint8], text: Floats, outputs: Collection[Output]
        ) -> dict[str, NDArray[np.generic]]:
            tensors = super().run(image, text, outputs)
            tensors["scores"] = np.zeros((1, 2, image.shape[1] // 2, image.shape[2] // 2), np.float32)
            tensors["scores"][0, 1] = len(self.shapes) - 1
            return tensors

    segmenter = Segmenter(Steps(pyramid_config), TEXT[:2], outputs=PixelOutputs(best=2, probability=True))
    result = segment_in_tiles(segmenter, Tiling(96, 32), Image.new("RGB", (160, 96)))
    assert result.probability is not None
    p = np.where(result.best[0] == 1, result.probability[0], result.probability[1])
    margin = np.log(p / (1 - p))[48]
    assert np.abs(margin[:64]).max() < 1e-5
    assert np.abs(margin[96:] - 1).max() < 1e-5
    assert (np.diff(margin[64:96]) > 0).all()
    assert margin[64:96] + margin[64:96][::-1] == pytest.approx(1, abs=1e-5)


def test_tiles_keep_the_scale_unless_a_size_is_given(pyramid_config: ModelConfig) -> None:
    engine = PixelEngine(pyramid_config)
    segment_in_tiles(Segmenter(engine, TEXT), Tiling(128, 16), Image.fromarray(noise(200, 300)))
    assert set(engine.shapes) == {(1, 128, 128, 3)}
    engine.shapes.clear()
    segment_in_tiles(Segmenter(engine, TEXT, 64), Tiling(128, 16), Image.fromarray(noise(200, 300)))
    assert set(engine.shapes) == {(1, 64, 64, 3)}


@pytest.mark.parametrize(
    ("tile", "overlap", "message"),
    [
        (63, None, "--tile 63 is too small"),
        (96, 33, "--overlap 33 is too much; at most a third of --tile 96"),
        (96, -1, "--overlap -1 is too much"),
        (None, 8, "--overlap is given without --tile"),
    ],
)
def test_what_cannot_be_cut_is_told(tile: int | None, overlap: int | None, message: str) -> None:
    with pytest.raises(LsegError, match=message):
        Tiling.of(tile, overlap)


def test_no_tiles_unless_asked_for_or_needed() -> None:
    assert Tiling.of(None, None) is None
    assert Tiling.of(640, None) == Tiling(640, 80)
    assert not Tiling(640, 80).is_needed((640, 640))
    assert Tiling(640, 80).is_needed((1, 641))
