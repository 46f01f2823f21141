import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.config import DataRef
from lseg_cli.data.datasets import check_dataset, first_epoch_steps, open_dataset
from lseg_cli.errors import DataError


def opened(path: Path, split: str = "train") -> None:
    """All that is looked at before the first step."""
    check_dataset(open_dataset(DataRef(path=str(path), split=split)))


def save(pixels: NDArray[np.generic], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_a_split_lists_its_pictures_with_their_masks(mini: Path) -> None:
    dataset = open_dataset(DataRef(path=str(mini), split="val"))
    assert (dataset.name, dataset.classes, dataset.ignore, len(dataset)) == ("mini", ("sky", "road", "car"), 255, 2)
    assert [path.relative_to(mini.parent).as_posix() for path in dataset.images] == [
        "images/val/4.png",
        "images/val/5.png",
    ]
    image, ids = dataset.read(1)
    assert (image.shape, ids.shape) == ((64, 96, 3), (64, 96))
    assert image.dtype == ids.dtype == np.uint8
    assert set(np.unique(ids)) == {0, 1, 2, 255}
    assert np.abs(image[ids == 2].astype(int) - (200, 30, 30)).max() < 16


def test_pixels_of_each_class_are_counted(mini: Path) -> None:
    dataset = open_dataset(DataRef(path=str(mini)))
    counts = check_dataset(dataset)
    masks = np.stack([dataset.read(index)[1] for index in range(4)])
    assert counts.dtype == np.int64
    assert counts.tolist() == [int((masks == label_id).sum()) for label_id in range(3)]


def test_folders_below_the_split_are_mirrored(mini: Path) -> None:
    root = mini.parent
    for kind in ("images", "masks"):
        (root / kind / "train" / "town").mkdir()
        shutil.move(root / kind / "train" / "0.png", root / kind / "train" / "town" / "0.png")
    dataset = open_dataset(DataRef(path=str(mini)))
    assert len(dataset) == 4
    assert (root / "masks" / "train" / "town" / "0.png") in dataset.masks


def test_a_jpeg_has_a_png_mask_and_other_files_are_passed_over(mini: Path) -> None:
    root = mini.parent
    save(np.zeros((64, 96, 3), np.uint8), root / "images" / "train" / "0.JPG")
    (root / "images" / "train" / "0.png").unlink()
    (root / "images" / "train" / "notes.txt").touch()
    (root / "images" / "train" / "._1.png").touch()
    dataset = open_dataset(DataRef(path=str(mini)))
    assert [path.name for path in dataset.images] == ["0.JPG", "1.png", "2.png", "3.png"]
    assert [path.name for path in dataset.masks] == ["0.png", "1.png", "2.png", "3.png"]


def test_a_palette_mask_is_read_as_ids(mini: Path) -> None:
    path = mini.parent / "masks" / "train" / "0.png"
    dataset = open_dataset(DataRef(path=str(mini)))
    ids = dataset.read(0)[1]
    coloured = Image.frombytes("P", (96, 64), ids.tobytes())
    coloured.putpalette([value for index in range(256) for value in (255 - index, index, 7)])
    coloured.save(path)
    with Image.open(path) as saved:
        assert saved.mode == "P"
    np.testing.assert_array_equal(dataset.read(0)[1], ids)


def test_the_path_may_hold_environment_variables(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINI_DATA", str(mini.parent))
    assert len(open_dataset(DataRef(path="$MINI_DATA/dataset.yaml"))) == 4
    monkeypatch.delenv("MINI_DATA")
    with pytest.raises(DataError, match=r"\$MINI_DATA/dataset\.yaml names an environment variable that is not set"):
        open_dataset(DataRef(path="$MINI_DATA/dataset.yaml"))


def test_an_unknown_split_is_told(mini: Path) -> None:
    with pytest.raises(DataError, match=r"dataset\.yaml has no split 'test'; it has train, val\."):
        opened(mini, "test")


@pytest.mark.parametrize("how", ["no folder", "no picture"])
def test_an_empty_split_is_told(mini: Path, how: str) -> None:
    folder = mini.parent / "images" / "val"
    shutil.rmtree(folder)
    if how == "no picture":
        folder.mkdir()
    with pytest.raises(DataError, match=r"The split is empty: .*images/val holds no picture"):
        opened(mini, "val")


def test_a_missing_mask_is_told(mini: Path) -> None:
    (mini.parent / "masks" / "train" / "2.png").unlink()
    with pytest.raises(DataError, match=r"images/train/2\.png has no mask: .*masks/train/2\.png is missing"):
        opened(mini)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("splits: [", "line 2"),  # where libyaml sees the end
        ("", "dictionary"),
        ("- a\n- b\n", "dictionary"),
        ("name: x\nsplits: {train: {images: a, masks: b}}\n", "classes"),
        ("name: x\nsplits: {train: {images: a, masks: b}}\nclasses: []\n", "classes"),
        ("name: x\nsplits: {train: {images: a}}\nclasses: [sky]\n", "masks"),
        ("name: x\nsplits: {train: {images: a, masks: b}}\nclasses: [sky]\ncolours: []\n", "colours"),
        ("name: x\nignore: 300\nsplits: {train: {images: a, masks: b}}\nclasses: [sky]\n", "ignore"),
        ("name: x\nignore: -1\nsplits: {train: {images: a, masks: b}}\nclasses: [sky]\n", "ignore"),
        ("name: x\nignore: 0\nsplits: {train: {images: a, masks: b}}\nclasses: [sky]\n", "id 0 is ignored and is"),
    ],
)
def test_a_broken_description_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "dataset.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"(?s)dataset\.yaml is not a data set description.*{sentence}"):
        opened(path)


def test_a_description_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml cannot be read: No such file"):
        opened(tmp_path / "none.yaml")
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DataError, match=r"binary\.yaml is not a data set description"):
        opened(path)


def test_another_size_of_the_mask_is_told(mini: Path) -> None:
    save(np.zeros((64, 95), np.uint8), mini.parent / "masks" / "train" / "1.png")
    with pytest.raises(DataError, match=r"images/train/1\.png is 96 x 64, its mask 95 x 64: they must have the same"):
        opened(mini)


def test_an_id_without_a_label_is_told(mini: Path) -> None:
    path = mini.parent / "masks" / "train" / "3.png"
    ids = np.zeros((64, 96), np.uint8)
    ids[0, 50] = 3
    save(ids, path)
    with pytest.raises(DataError, match=r"masks/train/3\.png holds id 3, which has no label: mini has 3 classes"):
        opened(mini)


@pytest.mark.parametrize("pixels", [np.zeros((64, 96, 3), np.uint8), np.zeros((64, 96), np.uint16)])
def test_a_mask_that_is_no_index_mask_is_told(mini: Path, pixels: NDArray[np.generic]) -> None:
    save(pixels, mini.parent / "masks" / "train" / "0.png")
    with pytest.raises(DataError, match=rf"masks/train/0\.png is not an index mask: it holds {pixels.dtype}"):
        opened(mini)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_damaged_file_is_told(mini: Path, kind: str) -> None:
    path = mini.parent / kind / "train" / "0.png"
    path.write_bytes(b"no picture")
    sentence = "holds no picture" if kind == "images" else "cannot be read as a mask: it holds no picture"
    with pytest.raises(DataError, match=rf"{kind}/train/0\.png {sentence}"):
        opened(mini)
    with pytest.raises(DataError, match=rf"{kind}/train/0\.png {sentence}"):
        open_dataset(DataRef(path=str(mini))).read(0)


def test_the_same_pictures_count_as_for_segment(mini: Path) -> None:
    root = mini.parent
    (root / "images" / "train" / "0.png").rename(root / "images" / "train" / "0.jfif")
    (root / "images" / "train" / "@eaDir" / "1.png").mkdir(parents=True)
    save(np.zeros((4, 4, 3), np.uint8), root / "images" / "train" / "@eaDir" / "1.png" / "thumb.jpg")
    (root / "images" / "train" / "film.mp4").touch()
    dataset = open_dataset(DataRef(path=str(mini)))
    assert [path.name for path in dataset.images] == ["0.jfif", "1.png", "2.png", "3.png"]
    assert dataset.notes == ["1 file was passed over: 1 .mp4."]


def test_masks_in_black_and_white_are_refused(mini: Path) -> None:
    """Of 0 and 255, which every annotation tool writes: 255 is ignored, so that the class is gone."""
    for path in (mini.parent / "masks" / "train").iterdir():
        ids = np.asarray(Image.open(path))
        save(np.where(ids == 1, 255, 0).astype(np.uint8), path)
    with pytest.raises(DataError, match=r"hold 'sky' and 255 alone, and 255 is ignored: .*lseg data import"):
        opened(mini)


def test_a_split_without_a_label_is_refused(mini: Path) -> None:
    for path in (mini.parent / "masks" / "val").iterdir():
        save(np.full((64, 96), 255, np.uint8), path)
    with pytest.raises(DataError, match="Not one pixel of mini has a label: all are 255, which is ignored"):
        opened(mini, "val")


def test_class_names_are_stripped_and_differ(mini: Path) -> None:
    text = mini.read_text()
    mini.write_text(text.replace("[sky, road, car]", '[" sky", "road  way ", car]'))
    assert open_dataset(DataRef(path=str(mini))).classes == ("sky", "road way", "car")
    mini.write_text(text.replace("[sky, road, car]", '[sky, road, " Sky "]'))
    with pytest.raises(DataError, match="mini has two classes of one name: 0 and 2 are 'Sky'"):
        opened(mini)
    mini.write_text(text.replace("[sky, road, car]", '[sky, road, " "]'))
    with pytest.raises(DataError, match="class 2 has no name"):
        opened(mini)


@pytest.mark.parametrize("ending", ["tif", "bmp"])
def test_masks_of_other_endings_are_read(mini: Path, ending: str) -> None:
    path = mini.parent / "masks" / "train" / "0.png"
    ids = np.asarray(Image.open(path))
    Image.fromarray(ids).save(path.with_suffix(f".{ending}"))
    path.unlink()
    np.testing.assert_array_equal(open_dataset(DataRef(path=str(mini))).read_ids(0), ids)


def test_masks_of_one_bit_are_ids(mini: Path) -> None:
    path = mini.parent / "masks" / "train" / "0.png"
    ids = np.asarray(Image.open(path)) == 1
    Image.fromarray(ids).save(path)
    np.testing.assert_array_equal(open_dataset(DataRef(path=str(mini))).read_ids(0), ids.astype(np.uint8))


def test_masks_of_other_kinds_are_refused_with_a_way_on(mini: Path) -> None:
    path = mini.parent / "masks" / "train" / "0.png"
    save(np.zeros((64, 96, 3), np.uint8), path)
    with pytest.raises(DataError, match="lseg data import makes ids of colours"):
        opened(mini)
    path.unlink()
    save(np.zeros((64, 96), np.uint8), path.with_suffix(".jpg"))
    with pytest.raises(DataError, match=r"0\.jpg is a JPEG, which changes ids where labels meet; save masks as PNG"):
        opened(mini)


def test_pictures_are_read_as_segment_reads_them(mini: Path) -> None:
    """Turned as EXIF says, 16 bits scaled, and ignored where nothing can be seen."""
    folder = mini.parent / "images" / "train"
    masks = mini.parent / "masks" / "train"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(folder / "0.png").transpose(Image.Transpose.ROTATE_90).save(folder / "0.png", exif=exif)
    save(np.full((64, 96), 32768, np.uint16), folder / "1.png")
    clear = Image.open(folder / "2.png").convert("RGBA")
    clear.paste((0, 0, 0, 0), (50, 10, 70, 30))
    clear.save(folder / "2.png")
    dataset = open_dataset(DataRef(path=str(mini)))
    assert check_dataset(dataset).min() > 0
    picture, ids = dataset.read(0)
    assert picture.shape[:2] == ids.shape == (64, 96)
    assert np.abs(picture[ids == 2].astype(int) - (200, 30, 30)).max() < 16
    assert set(np.unique(dataset.read(1)[0])) == {128}
    stored = np.asarray(Image.open(masks / "2.png"))
    seen = dataset.read(2)[1]
    assert (seen[10:30, 50:70] == 255).all()
    assert (stored != seen).sum() == 400


def test_a_turned_picture_with_a_mask_as_stored_is_told(mini: Path) -> None:
    path = mini.parent / "images" / "train" / "0.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(path.with_suffix(".jpg"), exif=exif)
    path.unlink()
    with pytest.raises(DataError, match=r"0\.jpg is 64 x 96, its mask 96 x 64.*EXIF turns the picture"):
        opened(mini)


def test_an_epoch_shows_every_picture_of_the_first_set(mini: Path) -> None:
    dataset = open_dataset(DataRef(path=str(mini)))
    assert [first_epoch_steps([dataset], batch) for batch in (1, 2, 3, 4, 9)] == [4, 2, 1, 1, 1]
