"""The original evaluator's windows and sums, pinned by an engine whose logits are what it sees."""

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.config import ModelConfig, TextConfig
from lseg_cli.contract import GraphSpec, Output
from lseg_cli.errors import DataError, LsegError, MemoryFullError, MismatchError
from lseg_cli.evaluation.windows import Windowed, WindowPlan

ORIGINAL = WindowPlan()
TEXT = np.eye(3, dtype=np.float32)
Floats = NDArray[np.float32]


class Mirror:
    """Gives a window's own colours back as the logits of three labels."""

    device, precision = "cpu", "fp32"

    def __init__(self, config: ModelConfig) -> None:
        text = TextConfig(kind="words", name="colours", width=3)
        self.spec = GraphSpec(model=config.model_copy(update={"text": text}), model_sha256="")
        self.batches: list[NDArray[np.uint8] | Floats] = []

    def run(
        self, image: NDArray[np.uint8], text: Floats, outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        assert tuple(outputs) == ("logits",)
        self.spec.check(image, text)
        self.batches.append(image)
        return {"logits": self.logits(image)}

    def logits(self, image: NDArray[np.uint8] | Floats) -> Floats:
        channels_first: Floats = image.astype(np.float32).transpose(0, 3, 1, 2)
        return channels_first

    @property
    def windows(self) -> list[NDArray[np.uint8] | Floats]:
        return [window for batch in self.batches for window in batch]


class FloatMirror(Mirror):
    def run_float(self, image: Floats, text: Floats, outputs: Collection[Output]) -> dict[str, NDArray[np.generic]]:
        assert image.dtype == np.float32
        self.batches.append(image)
        return {"logits": self.logits(image)}


class Counter(Mirror):
    """The logits of the n-th window are n everywhere."""

    def logits(self, image: NDArray[np.uint8] | Floats) -> Floats:
        seen = len(self.windows)
        return np.stack([np.full((3, *window.shape[:2]), seen - len(image) + n) for n, window in enumerate(image)])


class Small(Counter):
    """Its memory holds two windows."""

    def logits(self, image: NDArray[np.uint8] | Floats) -> Floats:
        if len(image) > 2:
            self.batches.pop()
            raise MemoryFullError("The memory is full.")
        return super().logits(image)


class NoNumber(Mirror):
    def logits(self, image: NDArray[np.uint8] | Floats) -> Floats:
        return np.full((len(image), 3, *image.shape[1:3]), np.nan, np.float32)


@pytest.fixture
def mirror(pyramid_config: ModelConfig) -> FloatMirror:
    return FloatMirror(pyramid_config)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_the_defaults_are_the_papers() -> None:
    assert WindowPlan(480, 320, 520, (0.5, 0.75, 1.0, 1.25, 1.5, 1.75), True, False) == ORIGINAL


@pytest.mark.parametrize(
    ("picture", "scale", "size"),
    [
        ((300, 400), 0.5, (195, 260)),
        ((300, 400), 0.75, (293, 390)),  # 292.5 and a half, cut
        ((300, 400), 1.0, (390, 520)),
        ((300, 400), 1.75, (683, 910)),  # 682.5
        ((400, 300), 1.25, (650, 488)),  # 487.5
        ((333, 333), 1.0, (520, 520)),
        ((1, 1000), 0.5, (1, 260)),
    ],
)
def test_the_long_side_decides_the_size_at_a_scale(
    picture: tuple[int, int], scale: float, size: tuple[int, int]
) -> None:
    assert ORIGINAL.size(*picture, scale) == size


@pytest.mark.parametrize(
    ("length", "starts"),
    [(195, [0]), (480, [0]), (481, [0, 320]), (800, [0, 320]), (801, [0, 320, 640]), (910, [0, 320, 640])],
)
def test_windows_begin_at_multiples_of_the_stride(length: int, starts: list[int]) -> None:
    assert ORIGINAL.starts(length) == starts


def test_the_last_window_can_be_moved_to_end_with_the_picture() -> None:
    plan = WindowPlan(64, 48, shifts_last=True)
    assert plan.starts(100) == [0, 36]
    assert plan.starts(113) == [0, 48, 49]
    assert plan.starts(64) == plan.starts(20) == [0]


@pytest.mark.parametrize(("scale", "forwards"), [(0.5, 2), (0.75, 2), (1.0, 4), (1.25, 8), (1.5, 8), (1.75, 12)])
def test_a_picture_of_300_x_400_is_seen_as_often_as_by_the_original(
    mirror: FloatMirror, scale: float, forwards: int
) -> None:
    Windowed(mirror, TEXT, WindowPlan(scales=(scale,))).scores(noise(300, 400))
    assert len(mirror.windows) == forwards
    assert {window.shape for window in mirror.windows} == {(480, 480, 3)}


def test_what_sticks_out_is_black_and_every_window_is_seen_mirrored(mirror: FloatMirror) -> None:
    picture = np.full((100, 200, 3), 200, np.uint8)
    plan = WindowPlan(96, 64, None, (1.0,))
    Windowed(mirror, TEXT, plan).scores(picture)
    rows, columns = [0, 64], [0, 64, 128]
    assert len(mirror.windows) == 2 * len(rows) * len(columns)
    last, mirrored = mirror.windows[-2:]
    assert (last[: 100 - 64, : 200 - 128] == 200).all()
    assert (last[100 - 64 :] == 0).all()
    assert (last[:, 200 - 128 :] == 0).all()
    assert (mirrored == last[:, ::-1]).all()


def test_pointwise_logits_come_back_at_their_place_twice_as_large_by_the_mirror(mirror: FloatMirror) -> None:
    picture = noise(100, 200)
    scores = Windowed(mirror, TEXT, WindowPlan(96, 64, None, (1.0,))).scores(picture)
    np.testing.assert_allclose(scores, 2 * picture.transpose(2, 0, 1).astype(np.float32), atol=1e-4)


def test_scales_are_added_up(mirror: FloatMirror) -> None:
    grey = np.full((60, 90, 3), 50, np.uint8)
    scores = Windowed(mirror, TEXT, WindowPlan(64, 48, 90, (0.5, 1.0, 1.5))).scores(grey)
    np.testing.assert_allclose(scores, np.full((3, 60, 90), 3 * 2 * 50), rtol=1e-6)


def test_resizing_keeps_the_corners(mirror: FloatMirror) -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[:, 1] = 90
    Windowed(mirror, TEXT, WindowPlan(32, 32, 4, (1.0,), mirror=False)).scores(picture)
    np.testing.assert_allclose(mirror.windows[0][0, :4, 0], [0, 30, 60, 90], atol=1e-4)  # align_corners=True


def test_overlapping_windows_are_averaged(pyramid_config: ModelConfig) -> None:
    plan = WindowPlan(64, 48, None, (1.0,), mirror=False)
    scores = Windowed(Counter(pyramid_config), TEXT, plan).scores(noise(64, 112))
    assert (scores[:, :, :48] == 0).all()
    assert (scores[:, :, 48:64] == 0.5).all()
    assert (scores[:, :, 64:] == 1).all()


@pytest.mark.parametrize("batch", [2, 5, 100])
def test_batches_change_nothing(pyramid_config: ModelConfig, batch: int) -> None:
    picture, plan = noise(130, 200), WindowPlan(64, 48, 150, (0.5, 1.0))
    one, many = Counter(pyramid_config), Counter(pyramid_config)
    expected = Windowed(one, TEXT, plan).scores(picture)
    assert (Windowed(many, TEXT, plan, batch).scores(picture) == expected).all()
    assert max(map(len, one.batches)) == 1
    assert max(map(len, many.batches)) == min(batch, 2 * 2 * 3)  # those of one scale
    assert len(one.windows) == len(many.windows)


def test_fewer_windows_at_once_when_the_memory_is_full(pyramid_config: ModelConfig) -> None:
    picture, plan = noise(130, 200), WindowPlan(64, 48, None, (1.0,))
    engine = Small(pyramid_config)
    scores = Windowed(engine, TEXT, plan, 7).scores(picture)
    assert {len(batch) for batch in engine.batches} == {2}
    assert (scores == Windowed(Counter(pyramid_config), TEXT, plan).scores(picture)).all()


def test_an_engine_of_whole_numbers_gets_rounded_pixels(pyramid_config: ModelConfig) -> None:
    engine = Mirror(pyramid_config)
    picture = noise(20, 30)
    scores = Windowed(engine, TEXT, WindowPlan(64, 48, 41, (1.0,), mirror=False)).scores(picture)
    assert engine.windows[0].dtype == np.uint8
    exact = Windowed(FloatMirror(pyramid_config), TEXT, WindowPlan(64, 48, 41, (1.0,), mirror=False)).scores(picture)
    assert 0 < np.abs(scores - exact).max() <= 0.5


def test_the_greatest_score_wins_at_the_pictures_own_size(mirror: FloatMirror) -> None:
    left_red = np.zeros((40, 60, 3), np.uint8)
    left_red[:, :30, 0] = 255
    left_red[:, 30:, 2] = 255
    index = Windowed(mirror, TEXT, WindowPlan(32, 16, 60, (0.5, 1.0))).predict(left_red, Path("a.png"))
    assert (index == np.where(np.arange(60) < 30, 0, 2)).all()
    assert index.shape == (40, 60)


def test_unsure_pixels_get_no_label(mirror: FloatMirror) -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:16, :, 1] = 3  # softmax of (0, 3, 0), the mean over scales and mirror images: 0.91
    plan = WindowPlan(32, 32, 32, (1.0, 2.0))
    index = Windowed(mirror, TEXT, plan, min_confidence=0.9).predict(picture, Path("a.png"))
    assert (index[:14] == 1).all()
    assert (index[18:] == len(TEXT)).all()
    assert (Windowed(mirror, TEXT, plan, min_confidence=0.92).predict(picture, Path("a.png")) == len(TEXT)).all()


def test_an_answer_that_is_no_number_names_the_picture(pyramid_config: ModelConfig) -> None:
    with pytest.raises(DataError, match=r"a\.png: the network's answer is not a number"):
        Windowed(NoNumber(pyramid_config), TEXT, WindowPlan(scales=(0.5,))).predict(noise(9, 9), Path("a.png"))


def test_an_engine_of_another_size_does_not_take_the_windows(pyramid_config: ModelConfig) -> None:
    engine = Mirror(pyramid_config)
    engine.spec = engine.spec.model_copy(update={"height_px": 64, "width_px": 64})
    with pytest.raises(MismatchError, match="480 x 480 pixels; this engine takes 64 x 64"):
        Windowed(engine, TEXT, ORIGINAL).scores(noise(9, 9))
    assert Windowed(engine, TEXT, WindowPlan(64, 48, None, (1.0,))).scores(noise(9, 9)).shape == (3, 9, 9)


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (WindowPlan(100, 50), "--window 100 cannot be used; it must be a multiple of 32"),
        (WindowPlan(64, 65), "--stride 65 cannot be used; it must be 1 to 64"),
        (WindowPlan(64, 0), "--stride 0 cannot be used"),
    ],
)
def test_windows_that_cannot_be_are_refused(mirror: FloatMirror, plan: WindowPlan, sentence: str) -> None:
    with pytest.raises(LsegError, match=sentence):
        Windowed(mirror, TEXT, plan)


def test_one_scale_is_an_ordinary_sliding_window(mirror: FloatMirror) -> None:
    picture = cv2.resize(noise(10, 10), (150, 100)).astype(np.uint8)
    plan = WindowPlan(64, 43, None, (1.0,), mirror=False, shifts_last=True)
    scores = Windowed(mirror, TEXT, plan).scores(picture)
    np.testing.assert_allclose(scores, picture.transpose(2, 0, 1), atol=1e-4)
    assert all(window.min(axis=(0, 1)).max() > 0 for window in mirror.windows)  # no black border
