"""From a picture to the label of every pixel."""

from collections.abc import Collection

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.config import ImageConfig, ModelConfig
from lseg_cli.contract import GraphSpec, Output
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.inference.segmenter import PixelOutputs, Segmenter
from lseg_cli.inference.upsampling import mean_confidence
from tests.inference.scores import smooth

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
