"""Outlines cover the pixels that they were made of, and other tools read them."""

import json
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lseg_cli.data.labels import LabelSet
from lseg_cli.errors import DataError
from lseg_cli.importing.folder import import_labelled
from lseg_cli.importing.options import ImportOptions
from lseg_cli.results.cvat import write_cvat, write_cvat_image
from lseg_cli.results.outlines import outlines, write_geojson, write_labelme, write_yolo

LABELS = LabelSet.of(["sky", "road", "car"])


def painted(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What LabelMe makes of the outlines: the largest first, each drawn with its border."""
    canvas: Image.Image = Image.new("L", (ids.shape[1], ids.shape[0]), 255)
    draw = ImageDraw.Draw(canvas)
    for part in sorted(outlines(ids, LABELS), key=lambda each: -each.area):
        corners = [tuple(corner) for corner in part.outer]
        if len(corners) == 1:
            draw.point(corners, fill=part.label.id)
        elif len(corners) == 2:
            draw.line(corners, fill=part.label.id)
        else:
            draw.polygon(corners, fill=part.label.id, outline=part.label.id)
    return np.array(canvas, np.uint8)


def blocks(cells: list[list[int]], side: int = 6) -> NDArray[np.uint8]:
    return np.kron(np.array(cells, np.uint8), np.ones((side, side), np.uint8)).astype(np.uint8)


@given(st.lists(st.lists(st.integers(0, 2), min_size=5, max_size=5), min_size=4, max_size=4))
@settings(deadline=None, max_examples=40)
def test_areas_are_those_of_the_mask_where_nothing_lies_in_a_hole(cells: list[list[int]]) -> None:
    ids = blocks(cells)
    parts = list(outlines(ids, LABELS))
    for label in LABELS.labels:
        own = [part for part in parts if part.label.id == label.id]
        if not any(part.holes for part in own):
            assert sum(part.area for part in own) == (ids == label.id).sum()


def test_a_hole_is_found_and_what_lies_in_it_is_painted_last() -> None:
    ids = blocks([[0, 0, 0], [0, 2, 0], [0, 0, 0]])
    sky, car = outlines(ids, LABELS)
    assert len(sky.holes) == 1
    assert not car.holes
    assert (sky.area, car.area) == (8 * 36, 36)
    assert np.array_equal(painted(ids), ids)


def test_ignored_pixels_are_no_part_of_anything() -> None:
    ids = np.full((8, 8), LABELS.ignore_id, np.uint8)
    ids[2:5, 2:5] = 1
    (part,) = outlines(ids, LABELS)
    assert part.area == 9
    assert sorted(part.outer) == [[2, 2], [2, 4], [4, 2], [4, 4]]


def test_geojson_has_closed_rings_and_holes(tmp_path: Path) -> None:
    write_geojson(tmp_path / "a.geojson", blocks([[1, 1, 1], [1, 2, 1], [1, 1, 1]]), LABELS)
    data = json.loads((tmp_path / "a.geojson").read_text())
    by_label = {each["properties"]["label"]: each["geometry"]["coordinates"] for each in data["features"]}
    assert {label: len(rings) for label, rings in by_label.items()} == {"road": 2, "car": 1}
    assert all(ring[0] == ring[-1] for rings in by_label.values() for ring in rings)


def test_cvat_comes_back_to_the_pixel_with_holes_and_what_has_no_label(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).choice(np.array([0, 1, 2, 255], np.uint8), (31, 43), p=[0.7, 0.1, 0.1, 0.1])
    (tmp_path / "imgs" / "sub").mkdir(parents=True)
    Image.new("RGB", ids.shape[::-1]).save(tmp_path / "imgs" / "sub" / "a.png")
    (tmp_path / "cvat" / "sub").mkdir(parents=True)
    write_cvat_image(tmp_path / "cvat" / "sub" / "a.xml", ids, LABELS)
    line = {"source": "imgs/sub/a.png", "mask": "masks/sub/a.png", "files": {"cvat": "cvat/sub/a.xml"}}
    assert write_cvat(tmp_path / "cvat.xml", tmp_path, [line, {**line, "files": {}}], LABELS) == 1
    names = [each.get("name") for each in ElementTree.parse(tmp_path / "cvat.xml").getroot().iter("image")]
    assert names == ["sub/a.png"]
    options = ImportOptions(
        tmp_path / "cvat.xml", tmp_path / "out", images=tmp_path / "imgs", shares=(("train", 1.0),), unlabelled="ignore"
    )
    imported = import_labelled(options, lambda names, _: iter(names))
    assert imported.classes == LABELS.names
    (mask,) = (tmp_path / "out" / "masks" / "train").rglob("*.png")
    assert np.array_equal(np.asarray(Image.open(mask)), ids)


def test_cvat_holds_any_name(tmp_path: Path) -> None:
    labels = LabelSet.of(['<sky> & "sea"', "road"])
    write_cvat_image(tmp_path / "a.xml", np.eye(4, dtype=np.uint8), labels)
    line = {"source": "in/<a>&b\x0b.png?x", "mask": "masks/a.png", "files": {"cvat": "a.xml"}}
    write_cvat(tmp_path / "cvat.xml", tmp_path, [line], labels)
    root = ElementTree.parse(tmp_path / "cvat.xml").getroot()
    assert [each.text for each in root.iter("name")] == ['<sky> & "sea"', "road"]
    assert {each.get("label") for each in root.iter("mask")} == {'<sky> & "sea"', "road"}
    assert [each.get("name") for each in root.iter("image")] == ["<a>&b?.png"]


def test_a_damaged_part_of_cvat_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<image")
    line = {"source": "a.png", "mask": "masks/a.png", "files": {"cvat": "a.xml"}}
    with pytest.raises(DataError, match=r"a\.xml cannot be read, or is damaged; delete it"):
        write_cvat(tmp_path / "cvat.xml", tmp_path, [line], LABELS)


def test_labelme_finds_all_that_its_own_loader_asks_for(tmp_path: Path) -> None:
    """The checks of `read_label_file` of labelme 6.3.1, which needs Qt to be installed."""
    ids = blocks([[0, 0, 1], [0, 2, 1]])
    picture = tmp_path / "in" / "a.png"
    picture.parent.mkdir()
    Image.new("RGB", ids.shape[::-1]).save(picture)
    write_labelme(tmp_path / "a.json", ids, LABELS, picture)
    raw = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert raw["imageData"] is None
    with Image.open(tmp_path / PureWindowsPath(raw["imagePath"]).as_posix()) as image:
        assert (raw["imageHeight"], raw["imageWidth"]) == (image.height, image.width)
    assert raw["flags"] == {}
    assert len(raw["shapes"]) == 3
    for shape in raw["shapes"]:
        assert isinstance(shape["label"], str)
        assert shape["shape_type"] == "polygon"
        assert shape["group_id"] is None
        assert all(
            len(point) == 2 and all(isinstance(each, int | float) for each in point) for point in shape["points"]
        )
        assert len(shape["points"]) > 2


@pytest.mark.parametrize("kind", ["labelme", "yolo"])
def test_what_is_written_is_imported_again(kind: str, tmp_path: Path) -> None:
    """Masks -> outlines -> a file of the other tool -> masks: the same pixels, for rings that YOLO can say."""
    ids = blocks([[0, 0, 1], [0, 2, 1]], side=16)
    picture = tmp_path / "pictures" / "images" / "a.png"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", ids.shape[::-1]).save(picture)
    if kind == "labelme":
        write_labelme(picture.with_suffix(".json"), ids, LABELS, picture)
    else:
        (tmp_path / "pictures" / "labels").mkdir()
        write_yolo(tmp_path / "pictures" / "labels" / "a.txt", ids, LABELS)
        (tmp_path / "pictures" / "data.yaml").write_text("train: images\nnames: [sky, road, car]\n")
    source = tmp_path / "pictures" / ("images" if kind == "labelme" else "data.yaml")
    options = ImportOptions(source, tmp_path / "out", shares=(("train", 1.0),), unlabelled="ignore")
    imported = import_labelled(options, lambda names, _: iter(names))
    found = np.asarray(Image.open(tmp_path / "out" / "masks" / "train" / "a.png"))
    order = [imported.classes.index(label.name) for label in LABELS.labels]
    assert np.array_equal(found, np.array(order, np.uint8)[ids])
