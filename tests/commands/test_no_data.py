"""Where a picture holds no data there is none in any result: segment, relabel and the Python API agree."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

import lseg_cli
from lseg_cli.errors import DataError
from lseg_cli.inference.no_data import packed, unpacked
from tests.command_line import lseg

LABELS = "house, sky, other"
IGNORE = 255


@pytest.fixture
def valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.bool_]:
    """Where in/a.png, which EXIF turns, is not transparent: (H, W) as it is displayed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    picture = Image.fromarray(load_sample_image("china.jpg")).resize((121, 83)).convert("RGBA")
    alpha = np.full((83, 121), 255, np.uint8)
    alpha[:20, 40:] = 0
    picture.putalpha(Image.fromarray(alpha))
    turned = Image.Exif()
    turned[0x0112] = 6
    Path("in").mkdir()
    picture.save("in/a.png", exif=turned)
    return np.rot90(alpha, -1) > 0


def mask_of(path: str) -> NDArray[np.uint8]:
    with Image.open(path) as mask:
        return np.asarray(mask)


def test_commands(valid: NDArray[np.bool_]) -> None:
    assert lseg("segment", "in", "-l", LABELS, "--save", "conf,embeddings", "--top-k", "2") == 0
    mask = mask_of("out/masks/a.png")
    np.testing.assert_array_equal(mask == IGNORE, ~valid)
    assert mask_of("out/conf/a.png")[~valid].max() == 0
    assert mask_of("out/conf/a.png")[valid].min() > 0
    with np.load("out/topk/a.npz") as best:
        arrays = {best[name].dtype.kind: best[name] for name in best.files}
    assert (arrays["u"][:, ~valid] == IGNORE).all()
    assert arrays["f"][:, ~valid].max() == 0
    for number, form in enumerate(("safetensors", "npy")):
        assert lseg("embed", "in", "-o", f"feats{number}", "--format", form) == 0
        assert lseg("relabel", f"feats{number}", "-l", LABELS, "-o", f"again{number}") == 0
        np.testing.assert_array_equal(mask_of(f"again{number}/masks/a.png") == IGNORE, ~valid)
    assert lseg("relabel", "out", "-l", LABELS, "-o", "again") == 0
    again = mask_of("again/masks/a.png")
    np.testing.assert_array_equal(again == IGNORE, ~valid)
    assert (again == mask).mean() > 0.999  # embeddings are float16


def test_api(valid: NDArray[np.bool_]) -> None:
    model = lseg_cli.load(device="cpu", threads=1)
    with Image.open("in/a.png") as picture:
        results = [model.segment(given, LABELS) for given in ("in/a.png", picture)]
        results += [*model.segment_many(["in/a.png"], LABELS), model.embed("in/a.png").segment(LABELS)]
    for result in results:
        np.testing.assert_array_equal(result.mask == IGNORE, ~valid)
        assert result.confidence[~valid].max() == 0
    model.embed("in/a.png").save("a.safetensors")
    assert lseg("relabel", "a.safetensors", "-l", LABELS, "-o", "again") == 0
    np.testing.assert_array_equal(mask_of("again/masks/a.png") == IGNORE, ~valid)


def test_an_image_of_16_bits_is_scaled_as_its_file_is(tmp_path: Path) -> None:
    """It was cut at 255: nearly all of it white."""
    deep = Image.fromarray(np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16))
    deep.save(tmp_path / "deep.png")
    model = lseg_cli.load(device="cpu", threads=1)
    given, read = model.segment(deep, LABELS), model.segment(tmp_path / "deep.png", LABELS)
    np.testing.assert_array_equal(given.mask, read.mask)
    np.testing.assert_array_equal(given.confidence, read.confidence)


def test_what_travels_with_an_embedding_is_checked() -> None:
    valid = np.random.default_rng(0).random((7, 9)) > 0.5
    found = unpacked(packed(valid), (7, 9))
    assert found is not None
    np.testing.assert_array_equal(found, valid)
    assert packed(None) == ""
    assert unpacked("", (7, 9)) is None
    for text, size in ((packed(valid), (70, 9)), (packed(np.zeros((9000, 9000), np.bool_)), (7, 9)), ("no", (7, 9))):
        with pytest.raises(DataError, match="which pixels hold data; embed the picture again"):
            unpacked(text, size)
