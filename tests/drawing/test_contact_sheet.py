from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lseg_cli.data.labels import LabelSet
from lseg_cli.drawing.contact_sheet import Sample, draw_sheet, write_sheet
from lseg_cli.drawing.palette import colors
from lseg_cli.errors import DataError, LsegError

CLASSES = ("sky", "road", "car")


def sample(width: int = 64, height: int = 48, ignore: int = 255, classes: tuple[str, ...] = CLASSES) -> Sample:
    """Black, half the first label and half the last, with an ignored corner."""
    ids = np.zeros((height, width), np.int16 if len(classes) > 255 else np.uint8)
    ids[:, width // 2 :] = len(classes) - 1
    ids[: height // 4, : width // 4] = ignore
    return Sample("train: 0.png", np.zeros((height, width, 3), np.uint8), ids, classes, ignore)


def test_pictures_stand_in_rows_of_three() -> None:
    one, three, four = (draw_sheet([sample()] * count) for count in (1, 3, 4))
    assert three.width > 2 * one.width
    assert four.width == three.width
    assert four.height > 1.5 * three.height


def test_pixels_have_the_colours_of_their_labels_and_ignored_ones_have_none() -> None:
    sheet = np.asarray(draw_sheet([sample()]))
    sky, _, car = (np.array(color) // 2 for color in colors(LabelSet.of(CLASSES)))
    top, left = 16 + 26, 16  # the margin, and the title above the picture
    assert np.abs(sheet[top + 250, left + 50].astype(int) - sky).max() <= 1
    assert np.abs(sheet[top + 250, left + 350].astype(int) - car).max() <= 1
    assert sheet[top + 20, left + 20].tolist() == [0, 0, 0]
    legend = sheet[top + 300 :]
    for color in (sky, car):
        assert (np.abs(legend.astype(int) - 2 * color).max(axis=2) <= 1).any()


@pytest.mark.parametrize(("ignore", "count"), [(3, 3), (300, 300)])
def test_any_ignored_id_and_any_number_of_labels_can_be_drawn(ignore: int, count: int) -> None:
    names = tuple(f"thing {number}" for number in range(count))
    one = draw_sheet([sample(ignore=ignore, classes=names)])
    assert np.asarray(one)[16 + 26 + 20, 16 + 20].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 120), (2000, 3)])
def test_any_shape_of_picture_has_its_tile(width: int, height: int) -> None:
    sheet = draw_sheet([sample(width, height)])
    assert sheet.width == 400 + 2 * 16


@pytest.mark.parametrize("name", ["sheet.jpg", "sheet.JPEG", "sheet.png"])
def test_a_sheet_is_written_whole(name: str, tmp_path: Path) -> None:
    write_sheet([sample()], tmp_path / "new" / name)
    with Image.open(tmp_path / "new" / name) as image:
        assert image.format == ("PNG" if name.endswith("png") else "JPEG")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_a_sheet_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(LsegError, match=r"sheet\.gif can be no contact sheet: name it \.jpg or \.png"):
        write_sheet([sample()], tmp_path / "sheet.gif")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_sheet([sample()], tmp_path / "file" / "sheet.png")
