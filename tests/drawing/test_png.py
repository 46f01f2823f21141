"""PNG files that every reader takes for what they are."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.drawing import png
from lseg_cli.drawing.png import write_png


def noise(shape: tuple[int, ...], bits: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    values = np.random.default_rng(0).integers(0, 2**bits, shape)
    return values.astype(np.uint8) if bits == 8 else values.astype(np.uint16)


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    kind=st.sampled_from(["grey", "palette", "rgb", "rgba", "16-bit"]),
    block_bytes=st.integers(1, 400),
)
def test_every_pixel_comes_back(
    height: int, width: int, kind: str, block_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("png") / "a.png"
    pixels = noise(
        (height, width, len(kind)) if kind.startswith("rgb") else (height, width), 16 if kind == "16-bit" else 8
    )
    palette = bytes(noise((768,), 8).astype(np.uint8)) if kind == "palette" else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "_BLOCK_BYTES", block_bytes)
        write_png(path, pixels, palette)
    with Image.open(path) as image:
        assert image.mode == {"grey": "L", "palette": "P", "rgb": "RGB", "rgba": "RGBA", "16-bit": "I;16"}[kind]
        assert np.array_equal(np.asarray(image), pixels)
        if palette is not None:
            assert bytes(image.getpalette() or []) == palette


def test_opencv_reads_a_mask_as_the_ids_or_their_colours(tmp_path: Path) -> None:
    ids = noise((20, 30), 16)
    write_png(tmp_path / "wide.png", ids)
    assert np.array_equal(np.asarray(cv2.imread(str(tmp_path / "wide.png"), cv2.IMREAD_UNCHANGED)), ids)
    index = noise((20, 30), 8)
    palette = noise((256, 3), 8).astype(np.uint8)
    write_png(tmp_path / "mask.png", index, palette.tobytes())
    colours = np.asarray(cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_COLOR))
    assert np.array_equal(colours[:, :, ::-1], palette[index])


def test_a_mask_is_small(tmp_path: Path) -> None:
    """Smaller than one with zlib's fastest level, of smooth regions with wavy borders."""
    y, x = np.mgrid[:1000, :1500]
    mask = ((np.sin(x / 90) * 40 + y) // 150).astype(np.uint8)
    write_png(tmp_path / "a.png", mask)
    Image.fromarray(mask).save(tmp_path / "b.png", compress_level=1)
    assert (tmp_path / "a.png").stat().st_size < (tmp_path / "b.png").stat().st_size
