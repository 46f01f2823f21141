"""`lseg data import`: the same picture in every format gives the same mask, and bad files one sentence."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from lseg_cli.config import DataRef
from lseg_cli.data.datasets import check_dataset, open_dataset
from lseg_cli.errors import DataError, LsegError
from lseg_cli.importing.areas import Area, paint, polygon, unpack_runs
from lseg_cli.importing.folder import Imported, import_labelled
from lseg_cli.importing.kinds import READERS
from lseg_cli.importing.options import KINDS, ImportOptions
from lseg_cli.importing.reading import Pictures
from tests.importing import miniatures

ONE_SPLIT = (("train", 1.0),)
IGNORED_GROUND = {"cityscapes", "colours"}


def track(names: Iterable[str], _total: int) -> Iterator[str]:
    yield from names


def run(source: Path, out: Path, **options: object) -> Imported:
    return import_labelled(ImportOptions(source, out, **{"shares": ONE_SPLIT, **options}), track)  # type: ignore[arg-type]


def mask_of(out: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    (path,) = (out / "masks" / "train").iterdir()
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("name", miniatures.ALL)
def test_every_format_gives_the_same_mask(name: str, tmp_path: Path) -> None:
    imported = run(miniatures.ALL[name](tmp_path / "source"), tmp_path / "out")
    assert imported.kind == {"label_studio": "label-studio", "label_studio_brush": "label-studio"}.get(
        name, name.removesuffix("_polygon").removesuffix("_mask")
    )
    road = imported.classes.index("road")
    assert np.array_equal(mask_of(tmp_path / "out") == road, miniatures.ROAD)
    ground = 255 if name in IGNORED_GROUND else imported.classes.index("other")
    assert (mask_of(tmp_path / "out")[~miniatures.ROAD] == ground).all()


@pytest.mark.parametrize("name", miniatures.ALL)
def test_what_is_written_can_be_trained_on(name: str, tmp_path: Path) -> None:
    imported = run(miniatures.ALL[name](tmp_path / "source"), tmp_path / "out")
    dataset = open_dataset(DataRef(path=str(imported.description), split="train"))
    assert check_dataset(dataset)[imported.classes.index("road")] == miniatures.ROAD.sum()


def test_every_kind_has_a_reader_and_a_miniature() -> None:
    assert set(READERS) == set(KINDS)
    assert {name.replace("_", "-") for name in miniatures.ALL} >= set(KINDS)


@pytest.mark.parametrize(
    ("name", "damage", "sentence"),
    [
        ("coco", lambda data: data["annotations"][0].update(category_id=9), "category 9"),
        ("coco", lambda data: data["annotations"][0]["segmentation"].update(size=[9, 9]), "run lengths"),
        ("coco", lambda data: data["images"][0].update(file_name="b.png"), "--images"),
        ("coco", lambda data: data["images"][0].update(height=-1), "height"),
        ("label_studio", lambda data: data[0].update(annotations=3), "annotations"),
        ("label_studio_brush", lambda data: data[0]["annotations"][0]["result"][0]["value"]["rle"].pop(), "middle"),
    ],
)
def test_a_damaged_file_is_named(name: str, damage: Callable[[object], object], sentence: str, tmp_path: Path) -> None:
    path = miniatures.ALL[name](tmp_path / "source")
    data = json.loads(path.read_text())
    damage(data)
    miniatures.write(path, data)
    with pytest.raises(DataError, match=sentence):
        run(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["source"]


def test_a_bitmap_that_cannot_be_unpacked_is_named(tmp_path: Path) -> None:
    source = miniatures.supervisely(tmp_path / "source")
    path = source / "train" / "ann" / "a.png.json"
    data = json.loads(path.read_text())
    data["objects"][0]["bitmap"]["data"] = "AAAA"
    miniatures.write(path, data)
    with pytest.raises(DataError, match=r"a\.png\.json cannot be understood"):
        run(source, tmp_path / "out")


def test_colours_without_a_name_are_an_error(tmp_path: Path) -> None:
    source = miniatures.voc(tmp_path / "source")
    (source / "labelmap.txt").write_text("road:70,130,180::\n")
    with pytest.raises(DataError, match=r"colour \(0, 0, 0\)"):
        run(source, tmp_path / "out")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(LsegError, match="not empty"):
        run(miniatures.binary(tmp_path / "source"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_unlabelled_pixels_can_be_ignored_or_called_otherwise(tmp_path: Path) -> None:
    source = miniatures.binary(tmp_path / "source")
    assert run(source, tmp_path / "a", unlabelled="ignore").classes == ("road",)
    assert (mask_of(tmp_path / "a")[~miniatures.ROAD] == 255).all()
    assert run(source, tmp_path / "b", unlabelled="field").classes == ("road", "field")


def test_the_later_area_is_on_top_and_what_it_hides_is_counted() -> None:
    areas = [Area("a", (polygon([0, 0, 3, 0, 3, 3, 0, 3]),)), Area("b", (polygon([2, 2, 5, 2, 5, 5, 2, 5]),))]
    painted = paint(areas, (6, 6), {"a": 0, "b": 1}, 255)
    assert painted.ids[2, 2] == 1
    assert painted.hidden == 4
    assert painted.lost == 0
    assert paint([Area("a", (polygon([9, 9, 12, 9, 12, 12]),))], (6, 6), {"a": 0}, 255).lost == 1


def test_holes_are_cut_out() -> None:
    area = Area("a", (polygon([0, 0, 7, 0, 7, 7, 0, 7]),), (polygon([2, 2, 5, 2, 5, 5, 2, 5]),))
    covered = area.cover(8, 8)
    assert covered.sum() == 64 - 16


@pytest.mark.parametrize("runs", [[3, -1], [100]])
def test_runs_that_cannot_be_are_an_error(runs: list[int]) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        unpack_runs(runs, 2, 4)


def test_a_rotated_picture_gets_its_mask_upright(tmp_path: Path) -> None:
    """Drawn on the stored pixels (12 x 8), read with EXIF applied (8 x 12)."""
    source = miniatures.binary(tmp_path / "source")
    image = Image.open(source / "images" / "a.png").copy()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(source / "images" / "a.jpg", exif=exif)
    (source / "images" / "a.png").unlink()
    run(source, tmp_path / "out")
    assert np.array_equal(mask_of(tmp_path / "out") == 0, np.rot90(miniatures.ROAD, -1))


def test_splits_by_share_list_and_group(tmp_path: Path) -> None:
    source = miniatures.binary(tmp_path / "source")
    for index in range(20):
        shutil.copy(source / "images" / "a.png", source / "images" / f"town{index % 4}_{index}.png")
        shutil.copy(source / "masks" / "road" / "a.png", source / "masks" / "road" / f"town{index % 4}_{index}.png")
    (source / "images" / "a.png").unlink()
    (source / "masks" / "road" / "a.png").unlink()
    shares = (("train", 0.75), ("val", 0.25))
    by_share = run(source, tmp_path / "a", shares=shares)
    assert by_share.pictures == {"train": 15, "val": 5}
    assert run(source, tmp_path / "b", shares=shares, group="^(town.)_").pictures == {"train": 15, "val": 5}
    towns = {split: {p.stem[:5] for p in (tmp_path / "b" / "images" / split).iterdir()} for split in ("train", "val")}
    assert towns["train"].isdisjoint(towns["val"])
    (tmp_path / "val.txt").write_text("town0_0\ntown1_1.png\n")
    by_list = run(source, tmp_path / "c", lists=(("val", tmp_path / "val.txt"),))
    assert by_list.pictures == {"val": 2}
    assert any("none of the lists, left out: 18" in note for note in by_list.notes)


def test_a_name_that_leads_out_of_the_folder_counts_as_its_last_part(tmp_path: Path) -> None:
    miniatures.picture(tmp_path / "secret.png")
    inside = miniatures.picture(tmp_path / "images" / "a.png")
    finder = Pictures(tmp_path / "images")
    assert finder.find("../../elsewhere/a.png") == inside
    with pytest.raises(DataError):
        finder.find("../secret.png")


def test_classes_of_one_name_are_an_error(tmp_path: Path) -> None:
    path = miniatures.coco(tmp_path / "source")
    data = json.loads(path.read_text())
    data["categories"] += [{"id": 4, "name": "road "}]
    miniatures.write(path, data)
    with pytest.raises(DataError, match="2 classes called 'road'"):
        run(path, tmp_path / "out")


def test_the_description_is_plain_yaml(tmp_path: Path) -> None:
    imported = run(miniatures.yolo(tmp_path / "source"), tmp_path / "out")
    described = yaml.safe_load(imported.description.read_text())
    assert described["classes"] == ["road", "other"]
    assert described["splits"] == {"train": {"images": "images/train", "masks": "masks/train"}}


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ([[0, 0, 1e30, 0, 5, 5]], "a polygon reaches far outside its picture"),
        ([[0, 0, 60_000, 60_000] * 1000], "the outline of its polygons has 240000000 pixels"),
        ({"size": [8, 8], "counts": [3, 2**40]}, "run lengths of 1099511627779 pixels for a picture of 64"),
        ({"size": [8, 8], "counts": [3, -3, 64]}, "run lengths of 64 pixels for a picture of 64"),
    ],
)
def test_outlines_of_coco_fill_no_gigabytes(segmentation: object, said: str, tmp_path: Path) -> None:
    """The process crashed, or took 37 GB."""
    pytest.importorskip("pycocotools")
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}],
        "categories": [{"id": 1, "name": "sky"}],
        "annotations": [{"image_id": 1, "category_id": 1, "segmentation": segmentation, "area": 1}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=said):
        run(tmp_path / "coco.json", tmp_path / "out")
