"""From a picture to the label of every pixel, without holding all labels at the picture's size."""

from collections.abc import Collection

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lseg_cli.config import ImageConfig, ModelConfig
from lseg_cli.contract import GraphSpec, Output
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.inference.upsampling import upsample_best, upsample_winner
from lseg_cli.model.decoder import upsample2_each

Floats = NDArray[np.float32]


class FakeEngine:
    """Answers with the logits it was given, and remembers what it was asked."""

    device = "fake"
    precision = "fp32"

    def __init__(self, config: ModelConfig, logits: Floats, fixed: tuple[int, int] | None = None) -> None:
        height, width = fixed or (None, None)
        self.spec = GraphSpec(model=config, model_sha256="", height_px=height, width_px=width, max_labels=9)
        self.logits = logits
        self.image: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def run(
        self, image: NDArray[np.uint8], text: Floats, outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        self.image = image
        shifted = np.exp(self.logits - self.logits.max(1, keepdims=True))
        tensors = {"logits": self.logits, "confidence": 1 / shifted.sum(1)}
        return {name: tensors[name] for name in outputs}


def at_once(logits: Floats, size: tuple[int, int]) -> tuple[NDArray[np.int64], Floats]:
    """What PyTorch gives with everything at full size, in double precision."""
    full = torch.nn.functional.interpolate(
        torch.from_numpy(logits)[None].double(), size=size, mode="bilinear", align_corners=False
    )[0]
    return full.argmax(0).numpy(), full.softmax(0).amax(0).float().numpy()


def smooth(labels: int, height: int, width: int, scale: float = 3.0, seed: int = 0) -> Floats:
    coarse = torch.randn(1, labels, 5, 6, generator=torch.Generator().manual_seed(seed)) * scale
    fine: Floats = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].numpy()
    return fine


@pytest.mark.parametrize("labels", [1, 2, 7, 150])
@pytest.mark.parametrize("size", [(97, 131), (32, 40), (20, 25), (300, 41), (1, 1)])
def test_the_winner_is_that_of_all_labels_at_full_size(labels: int, size: tuple[int, int]) -> None:
    logits = smooth(labels, 32, 40)
    index, confidence = upsample_winner(logits, size, with_confidence=True)
    expected_index, expected_confidence = at_once(logits, size)
    assert index.shape == size
    assert confidence is not None
    assert np.abs(confidence - expected_confidence).max() < 1e-5
    assert (index != expected_index).mean() < 1e-3  # where two labels are equal but for the last bit


@settings(max_examples=40, deadline=None)
@given(
    labels=st.integers(1, 9),
    grid=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    band_px=st.integers(1, 40),
    threads=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_bands_give_exactly_what_the_whole_gives(
    labels: int, grid: tuple[int, int], size: tuple[int, int], band_px: int, threads: int, seed: int
) -> None:
    logits = np.random.default_rng(seed).standard_normal((labels, *grid)).astype(np.float32) * 4
    whole = upsample_winner(logits, size, with_confidence=True, band_px=1000)
    bands = upsample_winner(logits, size, with_confidence=True, threads=threads, band_px=band_px)
    assert np.array_equal(whole[0], bands[0])
    assert whole[1] is not None
    assert bands[1] is not None
    assert np.array_equal(whole[1], bands[1])


@pytest.mark.parametrize("size", [(97, 131), (64, 80), (20, 25), (300, 41), (1, 1)])
def test_scores_at_half_the_size_give_what_the_models_own_doubling_gives(size: tuple[int, int]) -> None:
    scores = smooth(40, 32, 40)
    logits = upsample2_each(torch.from_numpy(scores)[None])[0].numpy()
    index, confidence = upsample_winner(scores, size, with_confidence=True, is_half=True)
    expected_index, expected_confidence = at_once(logits, size)
    assert confidence is not None
    assert np.abs(confidence - expected_confidence).max() < 1e-5
    assert (index != expected_index).mean() < 1e-3
    bands = upsample_winner(scores, size, with_confidence=True, band_px=7, is_half=True)
    assert np.array_equal(index, bands[0])
    assert bands[1] is not None
    assert np.array_equal(confidence, bands[1])


@pytest.mark.parametrize("is_half", [True, False])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_best_labels_are_the_greatest_in_order(count: int, is_half: bool) -> None:
    scores = smooth(30, 16, 20)
    index, probability = upsample_best(scores, (70, 50), count, with_probability=True, is_half=is_half, threads=2)
    logits = upsample2_each(torch.from_numpy(scores)[None])[0].numpy() if is_half else scores
    full = torch.nn.functional.interpolate(
        torch.from_numpy(logits)[None].double(), size=(70, 50), mode="bilinear", align_corners=False
    )[0]
    expected, order = full.softmax(0).topk(count, 0)
    assert (index != order.numpy()).mean() < 1e-3
    assert probability is not None
    assert np.abs(probability - expected.float().numpy()).max() < 1e-5


def test_equal_labels_give_the_lower_index() -> None:
    logits = np.repeat(smooth(3, 8, 8), 2, axis=0)
    index, confidence = upsample_winner(logits, (50, 50), with_confidence=True)
    assert set(np.unique(index)) <= {0, 2, 4}
    assert confidence is not None
    assert confidence.max() <= 0.5


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4, 1e30])
def test_any_magnitude_is_safe(scale: float) -> None:
    _, confidence = upsample_winner(smooth(9, 8, 8) * np.float32(scale), (60, 60), with_confidence=True)
    assert confidence is not None
    assert np.isfinite(confidence).all()
    assert confidence.min() >= 1 / 9 - 1e-5
    assert confidence.max() <= 1


def test_confidence_is_left_out_when_not_asked_for() -> None:
    assert upsample_winner(smooth(3, 8, 8), (20, 20), with_confidence=False)[1] is None


def test_the_size_of_the_input_follows_the_picture(pyramid_config: ModelConfig) -> None:
    text = np.ones((2, 16), np.float32)
    engine = FakeEngine(
        pyramid_config.model_copy(update={"image": ImageConfig(long_side_px=480)}), smooth(2, 8, 8)[None]
    )
    picture = np.zeros((600, 800, 3), np.uint8)
    assert Segmenter(engine, text).preprocess(picture).shape == (1, 352, 480, 3)
    assert Segmenter(engine, text, 96).preprocess(picture).shape == (1, 64, 96, 3)
    assert Segmenter(engine, text, (64, 64)).preprocess(picture).shape == (1, 64, 64, 3)
    fixed = FakeEngine(pyramid_config, smooth(2, 8, 8)[None], fixed=(96, 64))
    assert Segmenter(fixed, text).preprocess(picture).shape == (1, 96, 64, 3)
    with pytest.raises(MismatchError, match="64x96 is given; this engine takes 96x64 only"):
        Segmenter(fixed, text, (64, 96))
    assert Segmenter(fixed, text, 96).preprocess(picture).shape == (1, 96, 64, 3)
    with pytest.raises(MismatchError, match="size 128 is given; this engine takes 96x64 only"):
        Segmenter(fixed, text, 128)


def test_shrinking_averages(pyramid_config: ModelConfig) -> None:
    engine = FakeEngine(pyramid_config, smooth(2, 8, 8)[None])
    stripes = np.zeros((320, 320, 3), np.uint8)
    stripes[:, ::2] = 200
    small = Segmenter(engine, np.ones((2, 16), np.float32), 32).preprocess(stripes)
    assert np.unique(small).tolist() == [100]


def test_a_segmentation_has_the_size_of_the_picture(pyramid_config: ModelConfig) -> None:
    engine = FakeEngine(pyramid_config, smooth(3, 64, 96)[None])
    result = Segmenter(engine, np.ones((3, 16), np.float32), with_confidence=True).segment(
        np.zeros((123, 201, 3), np.uint8)
    )
    assert result.index.shape == (123, 201)
    assert result.index.dtype == np.uint16
    assert result.confidence is not None
    assert result.confidence.shape == (123, 201)
    assert result.mean_confidence == pytest.approx(at_once(engine.logits[0], (64, 96))[1].mean(), abs=1e-5)
    assert list(result.ms) == ["preprocess", "infer", "postprocess"]
    assert engine.image.shape == (1, 64, 96, 3)


def test_what_is_not_a_number_is_no_result(pyramid_config: ModelConfig) -> None:
    engine = FakeEngine(pyramid_config, np.full((1, 2, 8, 8), np.nan, np.float32))
    with pytest.raises(DataError, match="not a number; try --precision fp32"):
        Segmenter(engine, np.ones((2, 16), np.float32)).segment(np.zeros((32, 32, 3), np.uint8))


@pytest.mark.parametrize(
    ("shape", "size", "kind", "message"),
    [
        ((2, 17), None, MismatchError, r"shape \(2, 17\); tiny-pyramid takes \(N, 16\)"),
        ((10, 16), None, MismatchError, "10 labels are given; this engine takes at most 9"),
        ((2, 16), 31, LsegError, "at least 32"),
        ((2, 16), (64, 0), LsegError, "at least 32"),
        ((2, 16), (64, 100), LsegError, "64x100 cannot be used; sides must be multiples of 32"),
    ],
)
def test_what_does_not_fit_is_told_before_any_picture(
    shape: tuple[int, int],
    size: int | tuple[int, int] | None,
    kind: type[LsegError],
    message: str,
    pyramid_config: ModelConfig,
) -> None:
    with pytest.raises(kind, match=message):
        Segmenter(FakeEngine(pyramid_config, smooth(2, 8, 8)[None]), np.ones(shape, np.float32), size)
