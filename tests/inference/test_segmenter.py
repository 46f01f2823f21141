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
from lseg_cli.inference.segmenter import PixelOutputs, Segmenter
from lseg_cli.inference.upsampling import mean_confidence, upsample_best
from lseg_cli.model.decoder import upsample2_each

Floats = NDArray[np.float32]


class FakeEngine:
    """Answers with the scores it was given, and remembers what it was asked."""

    device = "fake"
    precision = "fp32"

    def __init__(self, config: ModelConfig, scores: Floats, fixed: tuple[int, int] | None = None) -> None:
        height, width = fixed or (None, None)
        self.spec = GraphSpec(model=config, model_sha256="", height_px=height, width_px=width, max_labels=9)
        self.scores = scores
        self.image: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def run(
        self, image: NDArray[np.uint8], text: Floats, outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        self.image = image
        return dict.fromkeys(outputs, self.scores)


def at_once(scores: Floats, size: tuple[int, int]) -> torch.Tensor:
    """What PyTorch gives with everything at full size, in double precision: (N, H, W) logits."""
    doubled = upsample2_each(torch.from_numpy(scores)[None]).double()
    return torch.nn.functional.interpolate(doubled, size=size, mode="bilinear", align_corners=False)[0]


def smooth(labels: int, height: int, width: int, scale: float = 3.0, seed: int = 0) -> Floats:
    coarse = torch.randn(1, labels, 5, 6, generator=torch.Generator().manual_seed(seed)) * scale
    fine: Floats = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].numpy()
    return fine


@pytest.mark.parametrize("labels", [1, 2, 7, 150])
@pytest.mark.parametrize("size", [(97, 131), (32, 40), (20, 25), (300, 41), (1, 1)])
def test_the_winner_is_that_of_all_labels_at_full_size(labels: int, size: tuple[int, int]) -> None:
    scores = smooth(labels, 16, 20)
    expected, winner = at_once(scores, size).softmax(0).max(0)
    index, confidence = upsample_best(scores, size, 1, with_probability=True)
    assert index.shape == (1, *size)
    assert confidence is not None
    assert np.abs(confidence[0] - expected.float().numpy()).max() < 1e-5
    assert (index[0] != winner.numpy()).mean() < 1e-3  # where two labels are equal but for the last bit
    assert np.array_equal(upsample_best(scores, size, 1, with_probability=False)[0], index)


@settings(max_examples=40, deadline=None)
@given(
    labels=st.integers(1, 9),
    grid=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    band_px=st.integers(1, 40),
    threads=st.integers(1, 3),
    with_probability=st.booleans(),
    seed=st.integers(0, 9),
)
def test_bands_give_exactly_what_the_whole_gives(
    labels: int,
    grid: tuple[int, int],
    size: tuple[int, int],
    band_px: int,
    threads: int,
    with_probability: bool,
    seed: int,
) -> None:
    scores = np.random.default_rng(seed).standard_normal((labels, *grid)).astype(np.float32) * 4
    whole, confidence = upsample_best(scores, size, 1, with_probability, band_px=1000)
    bands, confidences = upsample_best(scores, size, 1, with_probability, threads, band_px)
    assert np.array_equal(whole, bands)
    assert (confidence is None) == (confidences is None) == (not with_probability)
    if confidence is not None and confidences is not None:
        assert np.array_equal(confidence, confidences)


@settings(max_examples=60, deadline=None)
@given(
    labels=st.integers(1, 12),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    digits=st.sampled_from([0, 1, 7]),
    seed=st.integers(0, 9),
)
def test_filling_cells_gives_what_comparing_every_pixel_gives(
    labels: int, grid: tuple[int, int], size: tuple[int, int], digits: int, seed: int
) -> None:
    """Few digits make many labels equal."""
    scores = np.random.default_rng(seed).standard_normal((labels, *grid)).round(digits).astype(np.float32)
    filled, _ = upsample_best(scores, size, 1, with_probability=False)
    compared = upsample_best(scores, size, min(2, labels), with_probability=False)[0][:1]
    logits = np.sort(at_once(scores, size).numpy(), axis=0)
    are_equal = np.zeros(size, np.bool_) if labels == 1 else logits[-1] - logits[-2] < 1e-5
    assert ((filled == compared) | are_equal).all()


@settings(max_examples=60, deadline=None)
@given(
    labels=st.integers(1, 40),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 200), st.integers(1, 90)),
    scale=st.sampled_from([0.1, 4.0, 9.0, 40.0]),
    seed=st.integers(0, 9),
)
def test_the_confidence_is_the_softmax_of_the_winner(
    labels: int, grid: tuple[int, int], size: tuple[int, int], scale: float, seed: int
) -> None:
    scores = np.random.default_rng(seed).standard_normal((labels, *grid)).astype(np.float32) * np.float32(scale)
    confidence = upsample_best(scores, size, 1, with_probability=True)[1]
    assert confidence is not None
    expected = at_once(scores, size).softmax(0).amax(0).numpy()
    assert np.abs(confidence[0] - expected).max() < 2e-6 * max(1.0, scale)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_best_labels_are_the_greatest_in_order(count: int) -> None:
    scores = smooth(30, 16, 20)
    index, probability = upsample_best(scores, (70, 50), count, with_probability=True, threads=2)
    expected, order = at_once(scores, (70, 50)).softmax(0).topk(count, 0)
    assert (index != order.numpy()).mean() < 1e-3
    assert probability is not None
    assert np.abs(probability - expected.float().numpy()).max() < 1e-5


@pytest.mark.parametrize("with_probability", [True, False])
def test_equal_labels_give_the_lower_index(with_probability: bool) -> None:
    scores = np.repeat(smooth(3, 8, 8), 2, axis=0)
    index, confidence = upsample_best(scores, (50, 50), 1, with_probability)
    assert set(np.unique(index)) <= {0, 2, 4}
    if confidence is not None:
        assert confidence.max() <= 0.5


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4, 1e30])
def test_any_magnitude_is_safe(scale: float) -> None:
    _, confidence = upsample_best(smooth(9, 8, 8) * np.float32(scale), (60, 60), 1, with_probability=True)
    assert confidence is not None
    assert np.isfinite(confidence).all()
    assert confidence.min() >= 1 / 9 - 1e-5
    assert confidence.max() <= 1


def test_the_mean_confidence_is_that_of_the_scores() -> None:
    scores = smooth(7, 300, 20)
    expected = torch.from_numpy(scores).double().softmax(0).amax(0).mean()
    assert mean_confidence(scores) == pytest.approx(float(expected), abs=1e-6)


def test_confidence_is_left_out_when_not_asked_for() -> None:
    assert upsample_best(smooth(3, 8, 8), (20, 20), 1, with_probability=False)[1] is None


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


def test_a_segmentation_has_the_size_of_the_picture(pyramid_config: ModelConfig) -> None:
    engine = FakeEngine(pyramid_config, smooth(3, 32, 48)[None])
    result = Segmenter(engine, np.ones((3, 16), np.float32), outputs=PixelOutputs(probability=True)).segment(
        np.zeros((123, 201, 3), np.uint8)
    )
    assert result.index.shape == (123, 201)
    assert result.index.dtype == np.uint8
    assert result.confidence is not None
    assert result.confidence.shape == (123, 201)
    assert result.mean_confidence == pytest.approx(mean_confidence(engine.scores[0]))
    assert list(result.ms) == ["preprocess", "infer", "postprocess"]
    assert engine.image.shape == (1, 64, 96, 3)


def test_an_engine_without_scores_is_refused(pyramid_config: ModelConfig) -> None:
    engine = FakeEngine(pyramid_config, smooth(2, 8, 8)[None])
    engine.spec = engine.spec.model_copy(update={"outputs": ("logits", "mask", "confidence")})
    with pytest.raises(MismatchError, match="gives no 'scores': an earlier version exported it; export it again"):
        Segmenter(engine, np.ones((2, 16), np.float32))


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
