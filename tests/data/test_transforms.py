import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lseg_cli.config import AugmentConfig
from lseg_cli.data.mixing import seeded
from lseg_cli.data.transforms import PADDING, TrainTransform

Picture = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def picture(height: int = 50, width: int = 80) -> Picture:
    """Noise, and ids 7, 200 and 255 (to be ignored) in vertical stripes."""
    ids = np.repeat(np.array([7, 200, 255], np.uint8), -(-width // 3))[:width]
    return np.random.default_rng(0).integers(1, 256, (height, width, 3), np.uint8), np.tile(ids, (height, 1))


def transform(seed: int = 0, source: Picture | None = None, **changes: object) -> tuple[Tensor, Tensor]:
    config = AugmentConfig.model_validate({"base_px": 96, "crop_px": 64, **changes})
    return TrainTransform(config)(*(source or picture()), seeded(seed))


def test_the_same_seed_gives_the_same_crop_and_another_another() -> None:
    first, again, other = transform(1, jitter=0.4), transform(1, jitter=0.4), transform(2, jitter=0.4)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_ids_beyond_8_bits_are_kept() -> None:
    image, ids = picture()
    few = transform(3, (image, ids))[1]
    many = TrainTransform(AugmentConfig(base_px=96, crop_px=64))(image, ids.astype(np.int16) + 300, seeded(3))[1]
    assert few.dtype == many.dtype == torch.int16
    assert torch.equal(torch.where(few == PADDING, few, few + 300), many)


def test_the_global_random_numbers_are_left_alone_and_do_not_count() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = transform(1, jitter=0.4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(transform(1, jitter=0.4)[0], first[0])


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (5, 7), (63, 65), (64, 64), (700, 900)])
@pytest.mark.parametrize("scale", [(0.5, 0.5), (1.0, 1.0), (2.0, 2.0)])
def test_a_crop_has_its_size_whatever_the_pictures(size: tuple[int, int], scale: tuple[float, float]) -> None:
    image, ids = transform(source=picture(*size), scale=scale)
    assert (image.shape, image.dtype) == ((3, 64, 64), torch.uint8)
    assert (ids.shape, ids.dtype) == ((64, 64), torch.int16)
    assert type(image) is type(ids) is Tensor


@pytest.mark.parametrize("seed", range(8))
def test_ids_are_never_interpolated(seed: int) -> None:
    assert set(transform(seed)[1].flatten().tolist()) <= {PADDING, 7, 200, 255}


def test_padding_is_at_the_right_and_the_bottom_and_is_no_id() -> None:
    image, ids = transform(scale=(0.5, 0.5), mirror=0.0)  # 30 x 48 in a crop of 64
    is_picture = torch.zeros(64, 64, dtype=torch.bool)
    is_picture[:30, :48] = True
    assert torch.equal(ids != PADDING, is_picture)
    assert not image[:, ~is_picture].any()
    assert (image[:, is_picture] > 0).all()


def test_the_long_side_is_the_base_times_the_scale() -> None:
    for size, inside in (((50, 80), (30, 48)), ((80, 50), (48, 30))):
        _, ids = transform(source=picture(*size), scale=(0.5, 0.5), mirror=0.0)
        rows, columns = (ids != PADDING).nonzero().amax(0).tolist()
        assert (rows + 1, columns + 1) == inside


def test_the_scale_varies_over_its_range() -> None:
    widths = [int((transform(seed, scale=(0.3, 0.6))[1] != PADDING).any(0).sum()) for seed in range(30)]
    assert min(widths) >= round(0.3 * 96)
    assert max(widths) <= round(0.6 * 96)
    assert max(widths) - min(widths) > 15


def test_picture_and_mask_stay_together() -> None:
    _, ids = picture(64, 96)
    source = (np.repeat(ids[:, :, None], 3, axis=2), ids)
    for seed in range(8):
        image, cropped = transform(seed, source, scale=(1.0, 1.0))
        assert torch.equal(image[0].to(torch.int16), cropped)


def test_mirroring_is_left_and_right() -> None:
    source = picture(64, 64)
    plain, mirrored = (transform(0, source, base_px=64, scale=(1.0, 1.0), mirror=p) for p in (0.0, 1.0))
    assert torch.equal(plain[0], torch.from_numpy(source[0]).permute(2, 0, 1))
    assert torch.equal(mirrored[0], plain[0].flip(-1))
    assert torch.equal(mirrored[1], plain[1].flip(-1))


def test_jitter_changes_colours_alone() -> None:
    plain, jittered = (transform(3, scale=(1.0, 1.0), jitter=strength) for strength in (0.0, 0.5))
    assert torch.equal(plain[1], jittered[1])
    assert not torch.equal(plain[0], jittered[0])


def test_what_was_given_stays_as_it_was() -> None:
    source = picture()
    copy = (source[0].copy(), source[1].copy())
    transform(0, source)
    np.testing.assert_array_equal(source[0], copy[0])
    np.testing.assert_array_equal(source[1], copy[1])
