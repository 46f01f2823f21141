"""Every kind of shape that a tool draws: the pixels it covers, and what is said of one without an area."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lseg_cli.errors import DataError
from lseg_cli.importing.kinds import READERS
from lseg_cli.importing.labelled import Source
from lseg_cli.importing.options import ImportOptions, Kind
from tests.importing import miniatures

SIZE = HEIGHT_PX, WIDTH_PX = miniatures.HEIGHT_PX, miniatures.WIDTH_PX
INSIDE, OUTSIDE = (4, 3), (4, 10)  # rows and columns: of a shape around (x 3, y 4), and far from it


def read(kind: Kind, source: Path) -> Source:
    return READERS[kind](ImportOptions(source, source / "out"))


def labelme(root: Path, shape: Mapping[str, Any]) -> Source:
    miniatures.picture(root / "a.png")
    data = {
        "imagePath": "a.png",
        "imageHeight": HEIGHT_PX,
        "imageWidth": WIDTH_PX,
        "shapes": [{"label": "road", **shape}],
    }
    miniatures.write(root / "a.json", data)
    return read("labelme", root)


def supervisely(root: Path, shape: Mapping[str, Any]) -> Source:
    source = miniatures.supervisely(root)
    data = {"size": {"height": HEIGHT_PX, "width": WIDTH_PX}, "objects": [{"classTitle": "road", **shape}]}
    miniatures.write(source / "train" / "ann" / "a.png.json", data)
    return read("supervisely", source)


def cvat(root: Path, shape: str) -> Source:
    miniatures.picture(root / "images" / "a.png")
    text = f'<image id="0" name="a.png" width="{WIDTH_PX}" height="{HEIGHT_PX}">{shape}</image>'
    (root / "annotations.xml").write_text(f"<annotations>{text}</annotations>", encoding="utf-8")
    return read("cvat", root)


def label_studio(root: Path, kind: str, value: Mapping[str, Any]) -> Source:
    miniatures.picture(root / "a.png")
    size = {"original_width": WIDTH_PX, "original_height": HEIGHT_PX}
    result = {"type": kind, "value": {kind: ["road"], **value}, **size}
    path = miniatures.write(root / "tasks.json", [{"data": {"image": "a.png"}, "annotations": [{"result": [result]}]}])
    return read("label-studio", path)


def covered(source: Source) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    (picture,) = source.pictures
    (area,) = picture.areas
    assert area.label == "road"
    assert picture.size == SIZE
    return area.cover(*SIZE)


def check(found: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]", pixels: int | range) -> None:
    assert found[INSIDE]
    assert not found[OUTSIDE]
    assert int(found.sum()) in (range(pixels, pixels + 1) if isinstance(pixels, int) else pixels)


DISC = range(13, 22)  # radius 2: 13 pixels' centres lie inside, 21 with all that the outline touches
BITS = base64.b64encode(miniatures.packed_png(np.full((3, 4), 255, np.uint8))).decode()


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [
        ({"shape_type": "polygon", "points": [[1, 2], [6, 2], [6, 6], [1, 6]]}, 30),
        ({"shape_type": "rectangle", "points": [[6, 6], [1, 2]]}, 30),
        ({"shape_type": "circle", "points": [[3, 4], [3, 6]]}, DISC),
        ({"shape_type": "mask", "points": [[2, 3], [5, 5]], "mask": BITS}, 12),
    ],
)
def test_labelme(shape: Mapping[str, Any], pixels: int | range, tmp_path: Path) -> None:
    found = covered(labelme(tmp_path, shape))
    check(found, pixels)


@pytest.mark.parametrize("kind", ["point", "line", "linestrip"])
def test_labelme_s_shapes_without_an_area_are_counted(kind: str, tmp_path: Path) -> None:
    source = labelme(tmp_path, {"shape_type": kind, "points": [[1, 1], [2, 2]]})
    assert [picture.areas for picture in source.pictures] == [()]
    assert dict(source.notes) == {f"Shapes of kind {kind}, which have no area, passed over": 1}


def test_a_shape_that_labelme_does_not_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a shape of kind 'star' with 2 points is unknown"):
        labelme(tmp_path, {"shape_type": "star", "points": [[1, 1], [2, 2]]})


def test_labelme_s_background_is_not_an_area(tmp_path: Path) -> None:
    source = labelme(tmp_path, {"label": "_background_", "points": [[1, 2], [6, 2], [6, 6]]})
    assert [picture.areas for picture in source.pictures] == [()]
    assert not source.notes


def test_supervisely(tmp_path: Path) -> None:
    outline = [[1, 2], [6, 2], [6, 6], [1, 6]]
    hole = [[4, 4], [5, 4], [5, 5], [4, 5]]
    found = covered(supervisely(tmp_path / "polygon", {"points": {"exterior": outline, "interior": [hole]}}))
    assert (found[INSIDE], found[4, 5], found[OUTSIDE]) == (True, False, False)
    corners = {"exterior": [[1, 2], [6, 6]]}
    found = covered(supervisely(tmp_path / "rectangle", {"geometryType": "rectangle", "points": corners}))
    assert found.sum() == 30
    source = supervisely(tmp_path / "line", {"geometryType": "line", "points": {"exterior": outline}})
    assert dict(source.notes) == {"Objects of kind line, which have no area, passed over": 1}


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [
        ('<polygon label="road" points="1,2;6,2;6,6;1,6"/>', 30),
        ('<box label="road" xtl="1" ytl="2" xbr="6" ybr="6"/>', 30),
        ('<ellipse label="road" cx="3" cy="4" rx="2" ry="2"/>', DISC),
        ('<mask label="road" rle="0,12" left="2" top="3" width="4" height="3"/>', 12),
    ],
)
def test_cvat(shape: str, pixels: int | range, tmp_path: Path) -> None:
    found = covered(cvat(tmp_path, shape))
    check(found, pixels)


def test_cvat_s_points_are_counted(tmp_path: Path) -> None:
    source = cvat(tmp_path, '<points label="road" points="1,2"/>')
    assert dict(source.notes) == {"Shapes <points>, which have no area, passed over": 1}


@pytest.mark.parametrize(
    ("kind", "value", "pixels"),
    [
        ("polygonlabels", {"points": [[100 / 12, 25], [50, 25], [50, 75], [100 / 12, 75]]}, 30),
        ("rectanglelabels", {"x": 100 / 12, "y": 25, "width": 500 / 12, "height": 50, "rotation": 0}, 30),
        ("ellipselabels", {"x": 25, "y": 50, "radiusX": 200 / 12, "radiusY": 25}, DISC),
    ],
)
def test_label_studio(kind: str, value: Mapping[str, Any], pixels: int | range, tmp_path: Path) -> None:
    found = covered(label_studio(tmp_path, kind, value))
    check(found, pixels)


def test_label_studio_turns_a_rectangle_around_its_corner(tmp_path: Path) -> None:
    value = {"x": 50, "y": 25, "width": 500 / 12, "height": 25, "rotation": 90}  # 5 x 2 px, to the left and down
    found = covered(label_studio(tmp_path, "rectanglelabels", value))
    assert found[5, 5]
    assert not found[3, 9]


def test_label_studio_s_choices_are_counted(tmp_path: Path) -> None:
    source = label_studio(tmp_path, "choices", {})
    assert dict(source.notes)["Results of kind choices, which have no area, passed over"] == 1


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("1 0.1 0.1 0.5 0.1 0.5 0.5", "class 1 is not named; there are 1"),
        ("0 0.1 0.1 0.5", "3 numbers are not an outline of x and y"),
        ("road 0.1 0.1 0.5 0.1 0.5 0.5", "cannot be understood"),
    ],
)
def test_a_line_of_yolo_that_is_wrong_is_named(line: str, sentence: str, tmp_path: Path) -> None:
    source = miniatures.yolo(tmp_path)
    (tmp_path / "labels" / "train" / "a.txt").write_text(f"{line}\n")
    with pytest.raises(DataError, match=sentence):
        list(read("yolo", source).pictures)


def test_boxes_of_yolo_and_pictures_without_labels_are_counted(tmp_path: Path) -> None:
    source = miniatures.yolo(tmp_path)
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n\n")
    miniatures.picture(tmp_path / "images" / "train" / "b.png")
    found = read("yolo", source)
    assert [picture.areas for picture in found.pictures] == [(), ()]
    assert dict(found.notes) == {
        "Boxes without an outline, passed over": 1,
        "Pictures without a label file, which have no area": 1,
    }
