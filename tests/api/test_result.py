"""What a result gives, and that all of it says the same."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import lseg_cli as lseg
from tests.api.conftest import LABELS


@pytest.fixture(scope="module")
def result(pixels: NDArray[np.uint8], model: lseg.Model) -> lseg.Result:
    return model.segment(pixels, LABELS, min_confidence=0.5)


def test_shares_count_pixels(result: lseg.Result) -> None:
    assert list(result.shares) == ["sky", "building", "tree", "other"]
    for name, value in result.ids.items():
        assert result.shares[name] == pytest.approx(float((result.mask == value).mean()))
    unlabelled = float((result.mask == result.ignore_id).mean())
    assert sum(result.shares.values()) == pytest.approx(1 - unlabelled)
    assert unlabelled > 0


def test_mask_and_confidence_have_the_pictures_size(result: lseg.Result, pixels: NDArray[np.uint8]) -> None:
    assert result.mask.shape == result.confidence.shape == pixels.shape[:2]
    assert result.mask.dtype == np.uint8
    assert result.confidence.dtype == np.float32
    assert 0 < result.confidence.min() <= result.confidence.max() <= 1
    assert 0 < result.mean_confidence < 1


def test_the_overlay_is_the_tinted_picture_above_a_legend(result: lseg.Result, pixels: NDArray[np.uint8]) -> None:
    overlay = result.overlay()
    assert overlay.width >= pixels.shape[1]
    assert overlay.height > pixels.shape[0]


def test_a_cutout_is_transparent_elsewhere(result: lseg.Result, pixels: NDArray[np.uint8]) -> None:
    cut = result.cutout(["Sky", "tree"])
    assert cut.mode == "RGBA"
    np.testing.assert_array_equal(np.array(cut)[..., :3], pixels)
    np.testing.assert_array_equal(np.array(cut)[..., 3] == 255, np.isin(result.mask, [0, 2]))
    np.testing.assert_array_equal(np.array(result.cutout("sky"))[..., 3] == 255, result.mask == 0)
    with pytest.raises(lseg.LsegError, match="'cow' is not one of the labels; they are sky, building, tree, other"):
        result.cutout("cow")


def test_a_mask_is_saved_with_its_palette_or_as_an_array(result: lseg.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.array(image), result.mask)
    result.save(tmp_path / "mask.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "mask.npy"), result.mask)
    with pytest.raises(lseg.LsegError, match=r"must end with \.png or \.npy"):
        result.save(tmp_path / "mask.jpg")


def test_a_file_that_is_there_is_replaced_only_when_asked(result: lseg.Result, tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(b"mine")
    with pytest.raises(lseg.LsegError, match="is there already; pass overwrite=True"):
        result.save(path)
    assert path.read_bytes() == b"mine"
    result.save(path, overwrite=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def _words(count: int) -> list[str]:
    """Labels that the text encoder tells apart."""
    text = (Path(lseg.__file__).parent / "data" / "vocabularies" / "fss1000.txt").read_text("utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")][:count]


@pytest.mark.filterwarnings("ignore::lseg_cli.errors.LsegWarning")  # some of them are nearly the same
def test_many_labels_make_a_16_bit_mask(pixels: NDArray[np.uint8], model: lseg.Model, tmp_path: Path) -> None:
    result = model.segment(pixels, _words(300), size=96)
    assert result.mask.dtype == np.uint16
    assert result.ignore_id == 65535
    result.save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as image:
        np.testing.assert_array_equal(np.array(image), result.mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools itself
def test_cocos_tools_read_the_same_mask(result: lseg.Result) -> None:
    coder = pytest.importorskip("pycocotools.mask", reason="needs the pycocotools package (the extra coco)")
    data = result.to_coco()
    names = {category["id"]: category["name"] for category in data["categories"]}
    assert list(names.values()) == list(result.labels)
    assert (data["images"][0]["height"], data["images"][0]["width"]) == result.mask.shape
    for annotation in data["annotations"]:
        wanted = result.mask == result.ids[names[annotation["category_id"]]]
        np.testing.assert_array_equal(coder.decode(annotation["segmentation"]).astype(bool), wanted)
        assert annotation["area"] == wanted.sum()
    assert {annotation["image_id"] for annotation in data["annotations"]} == {data["images"][0]["id"]}


def test_supervision_gets_a_mask_per_label(result: lseg.Result) -> None:
    pytest.importorskip("supervision", reason="needs the supervision package")
    detections = result.to_supervision()
    names = detections.data["class_name"]
    assert isinstance(detections.mask, np.ndarray)
    assert isinstance(detections.class_id, np.ndarray)
    assert set(detections.class_id.tolist()) == set(np.unique(result.mask).tolist()) - {result.ignore_id}
    for name, value, mask in zip(names, detections.class_id, detections.mask, strict=True):
        assert result.ids[str(name)] == value
        np.testing.assert_array_equal(mask, result.mask == value)


def test_a_notebook_shows_the_overlay(result: lseg.Result) -> None:
    data = result._repr_png_()
    assert data is not None
    assert Image.open(io.BytesIO(data)).size == result.overlay().size


def test_a_result_says_what_it_is(result: lseg.Result) -> None:
    assert repr(result).startswith("Result(picture, 120x180: ")
    assert "sky" in repr(result)


def test_a_picture_that_failed_raises_its_error_when_asked_for_more() -> None:
    from lseg_cli.data.labels import LabelSet  # noqa: PLC0415  private, for a result that has no picture

    failed = lseg.Result("broken.jpg", LabelSet.of(["sky"]), None, lseg.DataError("broken.jpg is damaged."))
    assert failed.error is not None
    assert failed.labels == ("sky",)
    assert repr(failed) == "Result(broken.jpg: broken.jpg is damaged.)"
    assert failed._repr_png_() is None
    for ask in (lambda: failed.mask, lambda: failed.shares, failed.overlay, failed.to_coco):
        with pytest.raises(lseg.DataError, match=r"broken\.jpg is damaged"):
            ask()
