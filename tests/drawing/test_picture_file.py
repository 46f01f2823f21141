import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from lseg_cli.drawing.picture_file import encode_picture, write_picture

if sys.platform != "win32":
    import resource


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_is_written(kind: Literal["PNG", "JPEG"], picture: Image.Image, tmp_path: Path) -> None:
    write_picture(tmp_path / "draft.tmp", picture, kind, quality=95)
    with Image.open(tmp_path / "draft.tmp") as written:
        assert (written.format, written.size) == (kind, (80, 60))


@pytest.mark.skipif(sys.platform == "win32", reason="sizes of files have no limit there")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_that_does_not_fit_is_an_error(
    kind: Literal["PNG", "JPEG"], picture: Image.Image, tmp_path: Path
) -> None:
    size, before = len(encode_picture(picture, kind)), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_picture(tmp_path / "draft.tmp", picture, kind)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
