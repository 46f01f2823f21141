"""Where a picture lies in the input of a graph of one size: in the corner, as large as it fits, its aspect kept."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lseg_cli.config import ModelConfig
from lseg_cli.contract import GraphSpec
from lseg_cli.inference.frame import Frame
from lseg_cli.inference.segmenter import Segmenter
from lseg_engines.ort.engine import OnnxEngine
from lseg_export.options import GraphOptions

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
RANDOM = np.random.default_rng(0)
TEXT = RANDOM.standard_normal((5, 16)).astype(np.float32)


def spec_of(config: ModelConfig, size: tuple[int, int] | None) -> GraphSpec:
    height, width = size or (None, None)
    return GraphSpec(model=config, model_sha256="0", height_px=height, width_px=width)


@pytest.mark.parametrize(
    ("size", "picture", "inner"),
    [
        (None, (300, 600), (64, 96)),  # of 48 x 96, to multiples of 32
        ((96, 96), (300, 600), (64, 96)),
        ((96, 96), (600, 300), (96, 64)),
        ((64, 160), (500, 500), (64, 64)),
        ((64, 160), (10, 1000), (32, 160)),
    ],
)
def test_the_aspect_is_kept(
    size: tuple[int, int] | None, picture: tuple[int, int], inner: tuple[int, int], pyramid_config: ModelConfig
) -> None:
    frame = Frame.of(spec_of(pyramid_config, size), *picture)
    assert frame.picture_px == inner
    assert frame.input_px == (size or inner)


def test_a_size_that_the_user_names_squashes(pyramid_config: ModelConfig) -> None:
    assert Frame.of(spec_of(pyramid_config, (96, 96)), 300, 600, (96, 96)).picture_px == (96, 96)


def test_the_rest_is_filled_and_cut_off_again(pyramid_config: ModelConfig) -> None:
    picture = Image.fromarray(RANDOM.integers(0, 256, (300, 600, 3)).astype(np.uint8))
    frame = Frame.of(spec_of(pyramid_config, (96, 160)), 300, 600)
    image = frame.fill(picture)
    assert image.shape == (96, 160, 3)
    rows, columns = frame.picture_px
    assert (image[rows:] == 128).all()  # zero to the network
    assert (image[:, columns:] == 128).all()
    maps = RANDOM.standard_normal((2, 48, 80))
    assert np.array_equal(frame.crop(maps, 2), maps[:, : rows // 2, : columns // 2])


def test_masks_of_a_graph_of_one_size_are_those_of_any_size(pyramid_config: ModelConfig, exported: Exporter) -> None:
    picture = np.kron(RANDOM.integers(0, 256, (6, 12, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    free, fixed = (
        Segmenter(OnnxEngine.open(exported(pyramid_config, GraphOptions(size=size))[1], "cpu"), TEXT, 160)
        for size in (None, (160, 160))
    )
    kept, squashed = fixed.segment(picture).index, Segmenter(fixed.engine, TEXT, (160, 160)).segment(picture).index
    expected = free.segment(picture).index
    assert kept.shape == expected.shape
    # With random weights much depends on what lies beyond the border.
    assert (kept == expected).mean() > 0.2 + (squashed == expected).mean()
    ours, theirs = (each.encode(picture) for each in (fixed, free))
    assert ours.array.shape == theirs.array.shape
    assert ours.info.network_px == theirs.info.network_px == (64, 160)
