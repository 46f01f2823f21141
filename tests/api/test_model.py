"""Models as objects: the same masks as the command line's, from every form of picture and label."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import lseg_cli as lseg
from lseg_cli.config import ModelConfig
from tests.api.conftest import LABELS, saved
from tests.command_line import lseg as run

Pixels = NDArray[np.uint8]


def command(*arguments: object) -> None:
    assert run(*arguments) == 0


def read(path: str) -> Pixels:
    with Image.open(path) as image:
        return np.array(image)


def test_mask_and_confidence_are_those_of_the_command_line(photo: Path, model: lseg.Model) -> None:
    command("segment", "photo.png", "-l", LABELS, "--save", "conf", "-q")
    result = model.segment(photo, LABELS)
    np.testing.assert_array_equal(result.mask, read("out/masks/photo.png"))
    np.testing.assert_array_equal(np.rint(result.confidence * 255), read("out/conf/photo.png"))
    assert result.labels == ("sky", "building", "tree", "other")
    assert result.source == str(photo)
    assert result.error is None


@pytest.mark.filterwarnings("ignore::lseg_cli.errors.LsegWarning")  # in that sentence labels are nearly the same
def test_options_are_those_of_the_command_line(photo: Path, model: lseg.Model) -> None:
    command(
        *("segment", "photo.png", "-l", LABELS, "--min-confidence", "0.6", "--imgsz", "128", "-q", "-o", "unsure"),
        *("--template", "a photo of a {}"),
    )
    result = model.segment(photo, LABELS, min_confidence=0.6, size=128, templates=["a photo of a {}"])
    np.testing.assert_array_equal(result.mask, read("unsure/masks/photo.png"))
    assert (result.mask == result.ignore_id).any()
    command("segment", "photo.png", "-l", LABELS, "--tile", "96", "-q", "-o", "tiled")
    np.testing.assert_array_equal(model.segment(photo, LABELS, tile=96).mask, read("tiled/masks/photo.png"))


def test_a_picture_may_be_a_path_an_image_or_an_array(photo: Path, pixels: Pixels, model: lseg.Model) -> None:
    from_path = model.segment("photo.png", LABELS)
    for picture in (photo, Image.open(photo), pixels):
        result = model.segment(picture, LABELS)
        np.testing.assert_array_equal(result.mask, from_path.mask)
    assert model.segment(pixels, LABELS).source is None


def test_a_turned_photograph_is_segmented_as_it_is_displayed(tmp_path: Path, pixels: Pixels, model: lseg.Model) -> None:
    image = Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(
        model.segment(tmp_path / "turned.png", LABELS).mask, model.segment(pixels, LABELS).mask
    )
    np.testing.assert_array_equal(
        model.segment(Image.open(tmp_path / "turned.png"), LABELS).mask, model.segment(pixels, LABELS).mask
    )


def test_labels_may_be_text_a_list_a_dict_a_file_or_a_vocabulary(
    tmp_path: Path, pixels: Pixels, model: lseg.Model
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("sky\nroad=road|street\nother\n", encoding="utf-8")
    vocabulary = tmp_path / "words.vocab.safetensors"
    command("labels", "compile", f"@{words}", "-o", str(vocabulary))
    wanted = model.segment(pixels, "sky, road=road|street, other")
    for labels in ({"sky": "sky", "road": ["road", "street"], "other": "other"}, words, vocabulary, str(vocabulary)):
        result = model.segment(pixels, labels)
        assert result.labels == ("sky", "road", "other")
        np.testing.assert_array_equal(result.mask, wanted.mask)
    np.testing.assert_array_equal(model.segment(pixels, ["sky", "tree"]).mask, model.segment(pixels, "sky, tree").mask)


def test_nothing_in_a_list_of_names_is_parsed(pixels: Pixels, model: lseg.Model) -> None:
    assert model.segment(pixels, ["salt, pepper", "a|b", "@x"]).labels == ("salt, pepper", "a|b", "@x")


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([], "No label is given"),
        ("", "No label is given"),
        (["sky", "Sky"], "'Sky' is given more than once"),
        (["sky", 3], "The label 3 is not text"),
        ({"sky": [4]}, "is not text"),
        (42, "The labels are a int"),
        ("missing.yaml", "cannot be read"),
        (["sky", "a\nb"], "line break|control character"),
    ],
)
def test_labels_that_cannot_be_used_are_one_sentence(
    labels: lseg.Labels, sentence: str, pixels: Pixels, model: lseg.Model
) -> None:
    with pytest.raises(lseg.LsegError, match=sentence):
        model.segment(pixels, labels)


@pytest.mark.parametrize(
    ("picture", "kind", "sentence"),
    [
        ("missing.png", lseg.DataError, "missing.png"),
        (np.zeros((4, 4), np.uint8), lseg.LsegError, r"uint8 \(4, 4\); it must be uint8 \(H, W, 3\)"),
        (np.zeros((4, 4, 3), np.float32), lseg.LsegError, "float32"),
        (np.zeros((0, 4, 3), np.uint8), lseg.LsegError, r"\(0, 4, 3\)"),
        (7, lseg.LsegError, "The picture is a int"),
        (b"photo.png", lseg.LsegError, "The picture is a bytes"),
    ],
)
def test_pictures_that_cannot_be_used_are_one_sentence(
    picture: lseg.Picture, kind: type[lseg.LsegError], sentence: str, model: lseg.Model
) -> None:
    with pytest.raises(kind, match=sentence):
        model.segment(picture, LABELS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"size": 3}, "too small"), ({"min_confidence": 2.0}, "between 0 and 1"), ({"overlap": 3}, "tile")],
)
def test_options_that_cannot_be_used_are_one_sentence(
    options: dict[str, float], sentence: str, pixels: Pixels, model: lseg.Model
) -> None:
    with pytest.raises(lseg.LsegError, match=sentence):
        model.segment(pixels, LABELS, **options)  # type: ignore[arg-type]


def test_a_single_label_is_a_warning(pixels: Pixels, model: lseg.Model) -> None:
    with pytest.warns(lseg.LsegWarning, match="only label") as caught:
        model.segment(pixels, "sky")
    assert caught[0].filename == __file__


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(lseg.LsegError, match="There is no model 'nothing'"):
        lseg.load("nothing")
    (tmp_path / "text.onnx").write_text("hello, this is not a model")
    with pytest.raises(lseg.MismatchError, match="safetensors"):
        lseg.load(tmp_path / "text.onnx")


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(lseg.MissingError):
        lseg.load(device="cuda:63")


def test_a_file_of_another_kind_is_refused(tmp_path: Path, vit_config: ModelConfig) -> None:
    path = saved(vit_config, tmp_path / "m.safetensors")
    assert lseg.load(path, engine="torch").name == "tiny-vit"
    with pytest.raises(lseg.MismatchError, match="onnx"):
        lseg.load(path, engine="onnx")


def test_several_threads_may_use_a_model(pixels: Pixels, model: lseg.Model) -> None:
    pictures = [np.ascontiguousarray(np.roll(pixels, 15 * turn, axis=1)) for turn in range(8)]
    one_by_one = [model.segment(picture, LABELS).mask for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: model.segment(picture, LABELS).mask, pictures))
    for alone, beside in zip(one_by_one, together, strict=True):
        np.testing.assert_array_equal(alone, beside)


def test_a_model_says_what_it_is(model: lseg.Model) -> None:
    assert repr(model) == "Model(lseg-tiny, cpu, fp32)"
