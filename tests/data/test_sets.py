"""The known data sets, each read from a miniature of its real layout. Every trap of a layout has a test."""

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.config import DataRef
from lseg_cli.data.datasets import Dataset, check_dataset, list_dataset, open_dataset
from lseg_cli.data.labels import parse_labels
from lseg_cli.data.sets.coco_panoptic import class_name
from lseg_cli.data.sets.idd import rasterise
from lseg_cli.data.sets.registry import KNOWN
from lseg_cli.errors import DataError, LsegError
from tests.data.miniatures import (
    FOLDED,
    HEIGHT_PX,
    MAKERS,
    PANOPTIC,
    VISTAS,
    WIDTH_PX,
    make_bdd100k,
    make_cityscapes,
    make_fss1000,
    make_mapillary,
    save,
)


def ref(name: str, root: Path, split: str = "train", fold: int | None = None) -> DataRef:
    return DataRef(path=name, root=str(root), split=split, fold=0 if name in FOLDED and fold is None else fold)


def made(name: str, root: Path, split: str = "train", fold: int | None = None) -> Dataset:
    """A miniature, opened."""
    return open_dataset(ref(name, MAKERS[name](root), split, fold))


def raw(path: Path) -> NDArray[np.uint8]:
    """What a mask's file holds, by a way of its own."""
    with Image.open(path) as image:
        pixels = np.frombuffer(image.tobytes(), np.uint8)
        return pixels.reshape(image.height, image.width, 3) if image.mode == "RGB" else pixels.reshape(image.size[::-1])


def names_where(dataset: Dataset, mask: NDArray[np.generic], value: int) -> set[str]:
    """The labels that picture 0 has where its file holds a value; '' for ignored."""
    return {
        "" if found == dataset.ignore else dataset.classes[found]
        for found in np.unique(dataset.read_ids(0)[mask == value])
    }


def test_every_known_set_has_a_miniature() -> None:
    assert MAKERS.keys() == KNOWN.keys()


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("name", KNOWN)
def test_a_set_reads_from_its_layout(name: str, split: str, tmp_path: Path) -> None:
    dataset = made(name, tmp_path, split)
    counts = check_dataset(dataset)
    assert dataset.name == name
    assert len(dataset) >= 2
    assert (counts > 0).sum() >= 2
    image, ids = dataset.read(0)
    assert (image.shape, ids.shape) == ((HEIGHT_PX, WIDTH_PX, 3), (HEIGHT_PX, WIDTH_PX))
    assert image.dtype == ids.dtype == np.uint8
    assert dataset.ignore == 255
    assert len(set(dataset.classes)) == len(dataset.classes)


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if known.containers])
def test_the_root_may_be_the_folder_of_the_set_itself(name: str, tmp_path: Path) -> None:
    whole = made(name, tmp_path)
    inner = ref(name, tmp_path / KNOWN[name].containers[0]).model_copy(update={"lists": str(tmp_path / "splits")})
    assert open_dataset(inner).masks == whole.masks


@pytest.mark.parametrize("name", KNOWN)
def test_a_root_that_holds_nothing_is_told_with_the_layout(name: str, tmp_path: Path) -> None:
    """But that of lists, which may lie anywhere."""
    with pytest.raises(DataError) as told:
        open_dataset(ref(name, tmp_path))
    assert str(tmp_path) in str(told.value)
    assert "splits" in str(told.value) if name in FOLDED else KNOWN[name].layout in str(told.value)


@pytest.mark.parametrize("name", KNOWN)
def test_a_root_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none"):
        open_dataset(ref(name, tmp_path / "none"))


@pytest.mark.parametrize("name", KNOWN)
def test_a_missing_mask_is_told(name: str, tmp_path: Path) -> None:
    masks = made(name, tmp_path).masks
    masks[1].unlink()
    masks[-1].unlink()
    with pytest.raises(DataError, match=r"has no mask: .* is missing\. 1 more are missing too") as told:
        open_dataset(ref(name, tmp_path))
    assert str(masks[1]) in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ade20k", 151), ("pascal", 21), ("pascal5i", 21), ("coco20i", 81), ("cityscapes", 34), ("bdd100k", 19),
        ("mapillary", 66), ("sunrgbd", 38),
    ],
)  # fmt: skip
def test_a_value_without_a_label_is_told(name: str, value: int, tmp_path: Path) -> None:
    path = made(name, tmp_path).masks[1]
    save(path, np.full((HEIGHT_PX, WIDTH_PX), value, np.uint8))
    with pytest.raises(DataError, match=f"holds id {value}, which has no label") as told:
        check_dataset(open_dataset(ref(name, tmp_path)))
    assert str(path) in str(told.value)


@pytest.mark.parametrize("name", KNOWN)
def test_an_unknown_split_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{name} has no split 'holdout'; it has train, val"):
        open_dataset(ref(name, tmp_path, "holdout"))


def test_folds_are_for_sets_that_have_them(tmp_path: Path) -> None:
    with pytest.raises(LsegError, match=r"pascal5i comes in folds: say which, 0 to 3 \(given: 4\)"):
        open_dataset(DataRef(path="pascal5i", root=str(tmp_path), fold=4))
    with pytest.raises(LsegError, match=r"coco20i comes in folds: say which, 0 to 3 \(given: None\)"):
        open_dataset(DataRef(path="coco20i", root=str(tmp_path)))
    with pytest.raises(LsegError, match="ade20k has no folds; leave the fold 1 out"):
        open_dataset(DataRef(path="ade20k", root=str(tmp_path), fold=1))


def test_the_root_may_hold_environment_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MAKERS["sunrgbd"](tmp_path)
    monkeypatch.setenv("MINI_ROOT", str(tmp_path))
    assert len(open_dataset(DataRef(path="sunrgbd", root="$MINI_ROOT"))) == 3


class TestADE20K:
    def test_value_k_is_class_k_minus_1_and_0_is_ignored(self, tmp_path: Path) -> None:
        dataset = made("ade20k", tmp_path)
        mask = raw(dataset.masks[0])
        found = {value: names_where(dataset, mask, value) for value in np.unique(mask)}
        assert found == {0: {""}, 3: {"sky"}, 7: {"road"}, 13: {"person"}, 137: {"traffic light"}, 150: {"flag"}}

    def test_names_are_the_first_of_the_sets_own_file(self, tmp_path: Path) -> None:
        path = MAKERS["ade20k"](tmp_path) / "ADEChallengeData2016" / "objectInfo150.txt"
        path.write_text(path.read_text().replace("sky, another sky", "heaven, sky"))
        assert open_dataset(ref("ade20k", tmp_path)).classes[:3] == ("wall", "building", "heaven")
        assert made("ade20k", tmp_path / "other").classes == parse_labels("ade20k")[0].names

    @pytest.mark.parametrize("line", ["3   0.0100  100  10   sky, another sky", "3\t0.01\t100\t10\t0\tsky;another sky"])
    def test_other_forms_of_that_file_are_read(self, line: str, tmp_path: Path) -> None:
        path = MAKERS["ade20k"](tmp_path) / "ADEChallengeData2016" / "objectInfo150.txt"
        lines = path.read_text().split("\n")
        path.write_text("\n".join([*lines[:3], line, *lines[4:]]))
        assert open_dataset(ref("ade20k", tmp_path)).classes[2] == "sky"

    def test_a_damaged_list_of_names_is_told(self, tmp_path: Path) -> None:
        path = MAKERS["ade20k"](tmp_path) / "ADEChallengeData2016" / "objectInfo150.txt"
        path.write_text(path.read_text().replace("\n77\t", "\n"))
        with pytest.raises(DataError, match=r"objectInfo150\.txt must list the classes 1 to 150"):
            open_dataset(ref("ade20k", tmp_path))

    def test_the_official_set_is_read_as_the_original_parser_left_it(self, tmp_path: Path) -> None:
        dataset = made("ade20k-official", tmp_path)
        right = made("ade20k", tmp_path / "right")
        assert dataset.classes == right.classes
        assert dataset.prompts[136] == "traffic"
        assert dataset.prompts == tuple(prompts[0] for prompts in parse_labels("ade20k-official")[0].prompts)
        assert right.prompts == right.classes


class TestPascal:
    def test_the_indices_of_a_palette_are_the_ids(self, tmp_path: Path) -> None:
        """Converted to grey, or to colours, they would be others."""
        dataset = made("pascal", tmp_path)
        with Image.open(dataset.masks[0]) as image:
            assert image.mode == "P"
            assert image.convert("L").tobytes() != image.tobytes()
        np.testing.assert_array_equal(dataset.read_ids(0), raw(dataset.masks[0]))
        assert set(np.unique(dataset.read_ids(0))) == {0, 1, 7, 255}
        assert (dataset.classes[0], dataset.classes[1], dataset.classes[20]) == ("other", "aeroplane", "tv monitor")

    def test_grey_masks_read_the_same(self, tmp_path: Path) -> None:
        dataset = made("pascal", tmp_path)
        before = dataset.read_ids(0)
        save(dataset.masks[0], raw(dataset.masks[0]))
        np.testing.assert_array_equal(dataset.read_ids(0), before)

    def test_the_border_is_ignored(self, tmp_path: Path) -> None:
        for name in ("pascal", "pascal5i"):
            dataset = made(name, tmp_path / name)
            assert names_where(dataset, raw(dataset.masks[0]), 255) == {""}

    def test_the_longer_list_of_training_pictures_is_taken_where_it_is(self, tmp_path: Path) -> None:
        lists = MAKERS["pascal"](tmp_path) / "VOC2012" / "ImageSets" / "Segmentation"
        (lists / "trainaug.txt").write_text("2007_000033\n")
        assert len(open_dataset(ref("pascal", tmp_path))) == 1


@pytest.mark.parametrize("fold", range(4))
class TestFolds:
    """A fold's classes are in its validation set, and in its training set they are nothing at all."""

    def test_pascal_holds_out_five_in_a_row(self, fold: int, tmp_path: Path) -> None:
        train, val = made("pascal5i", tmp_path, fold=fold), made("pascal5i", tmp_path, "val", fold)
        names = parse_labels("pascal")[0].names
        assert val.classes == names[5 * fold : 5 * fold + 5]
        assert train.classes == names[: 5 * fold] + names[5 * fold + 5 :]

    def test_coco_holds_out_every_fourth(self, fold: int, tmp_path: Path) -> None:
        train, val = made("coco20i", tmp_path, fold=fold), made("coco20i", tmp_path, "val", fold)
        names = parse_labels("coco")[0].names
        assert val.classes == names[fold::4]
        assert [name for name in names if name not in val.classes] == list(train.classes)

    @pytest.mark.parametrize(("name", "count", "size"), [("pascal5i", 20, 5), ("coco20i", 80, 20)])
    def test_each_value_has_its_label_or_none(
        self, fold: int, name: str, count: int, size: int, tmp_path: Path
    ) -> None:
        """Every value that a mask can hold, put into one."""
        names = parse_labels("pascal" if count == 20 else "coco")[0].names
        held_out = set(names[5 * fold : 5 * fold + 5] if count == 20 else names[fold::4])
        assert len(held_out) == size
        for split in ("train", "val"):
            dataset = made(name, tmp_path, split, fold)
            values = np.array([*range(count + 1), 255], np.uint8)
            save(dataset.masks[0], values[None])
            found = [None if k == 255 else dataset.classes[k] for k in dataset.read_ids(0)[0]]
            wanted = [label if (label in held_out) == (split == "val") else None for label in names]
            assert found == [None, *wanted, None]

    def test_pictures_of_other_folds_are_trained_on(self, fold: int, tmp_path: Path) -> None:
        root = MAKERS["pascal5i"](tmp_path)
        train = open_dataset(ref("pascal5i", root, fold=fold))
        lists = root / "splits" / "pascal" / "trn"
        listed = [
            line.partition("__")[0]
            for other in range(4)
            if other != fold
            for line in (lists / f"fold{other}.txt").read_text().splitlines()
        ]
        assert [path.stem for path in train.images] == listed

    def test_prompts_are_those_of_the_published_weights(self, fold: int, tmp_path: Path) -> None:
        val = made("pascal5i", tmp_path, "val", fold)
        by_name = dict(zip(val.classes, val.prompts, strict=True))
        assert by_name.get("dining table", "diningtable") == "diningtable"
        assert by_name.get("dog", "dog") == "dog"


def test_a_picture_that_is_listed_twice_is_read_once(tmp_path: Path) -> None:
    path = MAKERS["pascal5i"](tmp_path) / "splits" / "pascal" / "val" / "fold0.txt"
    path.write_text(path.read_text() + path.read_text().split("__")[0] + "__02\n")
    assert len(open_dataset(ref("pascal5i", tmp_path, "val"))) == 3


class TestCityscapes:
    def test_of_34_ids_19_are_classes(self, tmp_path: Path) -> None:
        dataset = made("cityscapes", tmp_path)
        mask = raw(dataset.masks[0])
        found = {value: names_where(dataset, mask, value) for value in np.unique(mask)}
        assert found == {0: {""}, 3: {""}, 7: {"road"}, 9: {""}, 23: {"sky"}, 26: {"car"}, 33: {"bicycle"}}
        save(dataset.masks[0], np.arange(34, dtype=np.uint8)[None])
        ids = dataset.read_ids(0)[0]
        assert ids[ids != 255].tolist() == list(range(19))

    def test_training_ids_say_the_same(self, tmp_path: Path) -> None:
        dataset = made("cityscapes", tmp_path / "ids")
        trained = open_dataset(ref("cityscapes", make_cityscapes(tmp_path / "train", has_train_ids=True)))
        assert trained.masks[0].name == "aachen_000000_000019_gtFine_labelTrainIds.png"
        np.testing.assert_array_equal(trained.read_ids(0), dataset.read_ids(0))


def test_bdd100k_reads_the_same_from_both_layouts(tmp_path: Path) -> None:
    old = made("bdd100k", tmp_path / "old", "val")
    new = open_dataset(ref("bdd100k", make_bdd100k(tmp_path / "new", is_new=True), "val"))
    assert old.masks[0].name.endswith("_train_id.png")
    assert new.masks[0].parts[-4:-1] == ("sem_seg", "masks", "val")
    np.testing.assert_array_equal(new.read_ids(0), old.read_ids(0))
    assert set(np.unique(new.read_ids(0))) == {0, 2, 10, 13, 255}


class TestPanoptic:
    def test_colours_are_numbers_of_segments(self, tmp_path: Path) -> None:
        dataset = made("coco-panoptic", tmp_path)
        colours = raw(dataset.masks[0]).astype(int)
        numbers = colours @ (1, 256, 65536)
        found = {int(number): names_where(dataset, numbers, number) for number in np.unique(numbers)}
        assert found == {
            0: {""}, 5: {"sky"}, 300: {"road"}, 70001: {"car"}, 256: {"person"}, 65536: {"car"}, 2_000_000: {"floor"},
        }  # fmt: skip

    def test_a_number_is_of_its_own_picture(self, tmp_path: Path) -> None:
        """Segment 70001 is one of picture 1, 70002 of picture 2."""
        dataset = made("coco-panoptic", tmp_path)
        shutil.copy(dataset.masks[0], dataset.masks[1])
        with pytest.raises(DataError, match=r"000000000002\.png holds id 70001 \(a segment\), which has no label"):
            check_dataset(dataset)

    @pytest.mark.parametrize("folder", ["annotations", ""])
    def test_masks_that_are_still_packed_are_read(self, folder: str, tmp_path: Path) -> None:
        """From the zip file that COCO's archive holds; nothing is unpacked, whatever its members are called."""
        unpacked = made("coco-panoptic", tmp_path / "folder")
        root = MAKERS["coco-panoptic"](tmp_path / "zip")
        masks = root / "annotations" / "panoptic_train2017"
        with zipfile.ZipFile(root / folder / "panoptic_train2017.zip", "w") as archive:
            archive.writestr("panoptic_train2017/", b"")
            for path in sorted(masks.iterdir()):
                archive.write(path, f"panoptic_train2017/{path.name}")
            archive.writestr("../../mark", b"written outside")
        shutil.rmtree(masks)
        dataset = pickle.loads(pickle.dumps(open_dataset(ref("coco-panoptic", root))))  # as workers get it
        for index in range(len(unpacked)):
            np.testing.assert_array_equal(dataset.read_ids(index), unpacked.read_ids(index))
        np.testing.assert_array_equal(check_dataset(dataset), check_dataset(unpacked))
        assert not list(tmp_path.rglob("mark"))

    def test_a_mask_that_the_zip_file_lacks_or_damages_is_told(self, tmp_path: Path) -> None:
        root = MAKERS["coco-panoptic"](tmp_path)
        masks, path = root / "annotations" / "panoptic_train2017", root / "annotations" / "panoptic_train2017.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(masks / "000000000001.png", "panoptic_train2017/000000000001.png")
            archive.writestr("panoptic_train2017/000000000002.png", b"%!PS-Adobe-3.0 EPSF-3.0")
        shutil.rmtree(masks)
        with pytest.raises(DataError, match=r"has no mask: .*panoptic_train2017\.zip.000000000003\.png is missing"):
            open_dataset(ref("coco-panoptic", root))
        dataset = list_dataset(ref("coco-panoptic", root))
        assert dataset.missing(0) == ""
        with pytest.raises(DataError, match=r"000000000002\.png cannot be read as a mask"):
            dataset.read_ids(1)
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(DataError, match=r"panoptic_train2017\.zip is not a whole zip file"):
            list_dataset(ref("coco-panoptic", root))

    def test_names_lose_their_endings(self, tmp_path: Path) -> None:
        assert made("coco-panoptic", tmp_path).classes == (
            "person", "car", "truck", "door", "road", "wall brick", "window", "tree", "sky", "floor",
        )  # fmt: skip
        assert [class_name(name) for name in ("wall-other-merged", "window-blind", "mirror-stuff", "light")] == [
            "wall", "window blind", "mirror", "light",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda json_file: json_file.write_text("{"), "its content cannot be used: Invalid JSON"),
            (lambda json_file: json_file.write_text("{}"), "is not a panoptic annotation: its categories"),
            (lambda json_file: json_file.write_text(json_file.read_text().replace('"id": 187', '"id": 188')), "187"),
        ],
    )
    def test_a_damaged_list_is_told(self, change: "object", sentence: str, tmp_path: Path) -> None:
        root = MAKERS["coco-panoptic"](tmp_path)
        assert callable(change)
        change(root / "annotations" / "panoptic_train2017.json")
        with pytest.raises(DataError, match=rf"panoptic_train2017\.json.*{sentence}"):
            open_dataset(ref("coco-panoptic", root))

    def test_ids_are_places_in_the_list_of_categories(self, tmp_path: Path) -> None:
        """COCO's own numbers go to 200, and classes are 133."""
        assert max(PANOPTIC) > len(made("coco-panoptic", tmp_path).classes)


class TestIDD:
    def test_later_polygons_lie_on_top(self, tmp_path: Path) -> None:
        dataset = made("idd", tmp_path)
        ids = dataset.read_ids(0)
        at = {(10, 5): "sky", (25, 5): "road", (20, 15): "car", (20, 35): "car", (30, 15): "road"}
        assert {place: dataset.classes[ids[place]] for place in at} == at

    def test_what_is_void_deleted_or_uncovered_is_ignored(self, tmp_path: Path) -> None:
        dataset = made("idd", tmp_path)
        ids = dataset.read_ids(0)
        assert ids[45, 30] == 255  # the car that carries the camera
        assert (ids[:, 61:] == 255).all()  # no polygon
        assert not (ids == dataset.classes.index("bus")).any()  # deleted

    def test_the_26_classes_are_level_3(self, tmp_path: Path) -> None:
        """Merged as the hierarchy does; the ids are its level3Id."""
        dataset = made("idd", tmp_path)
        assert len(dataset.classes) == 26
        level_3 = {
            "road": 0, "parking": 1, "drivable fallback": 1, "sidewalk": 2, "rail track": 3, "animal": 4, "rider": 5,
            "autorickshaw": 8, "caravan": 12, "trailer": 12, "train": 12, "curb": 13, "polegroup": 20, "tunnel": 23,
            "sky": 25, "fallback background": 25, "license plate": 255, "out of roi": 255, "persongroup": 4,
        }  # fmt: skip
        for label, label_id in level_3.items():
            polygon = [[0, 0], [5, 0], [5, 5], [0, 5]]
            frame = {"imgHeight": 6, "imgWidth": 6, "objects": [{"label": label, "polygon": polygon}]}
            dataset.masks[0].write_text(json.dumps(frame))
            assert set(np.unique(rasterise(dataset.masks[0]))) == {label_id}

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("{", "is not a file of polygons: its content cannot be used: Invalid JSON"),
            ('{"imgHeight": 4, "imgWidth": 0, "objects": []}', "is not a file of polygons: its imgWidth cannot"),
            (
                '{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "car", "polygon": [[0, NaN]]}]}',
                r"is not a file of polygons: its objects\.0\.polygon\.0\.1 cannot",
            ),
        ],
    )
    def test_a_damaged_file_is_told(self, text: str, sentence: str, tmp_path: Path) -> None:
        path = made("idd", tmp_path).masks[0]
        path.write_text(text)
        with pytest.raises(DataError, match=rf"000000_gtFine_polygons\.json {sentence}"):
            rasterise(path)

    def test_an_unknown_label_is_passed_over_with_a_note(self, tmp_path: Path) -> None:
        dataset = made("idd", tmp_path)
        square = [[0, 0], [5, 0], [5, 5], [0, 5]]
        objects = [{"label": label, "polygon": square} for label in ("road", "cow", "cow")]
        dataset.masks[0].write_text(json.dumps({"imgHeight": 6, "imgWidth": 6, "objects": objects}))
        assert set(np.unique(dataset.read_ids(0))) == {dataset.classes.index("road")}
        assert dataset.notes == ["The label 'cow' is none of IDD's; its polygons are passed over."]

    def test_masks_of_level_3_are_read(self, tmp_path: Path) -> None:
        for mask in (*made("idd", tmp_path).masks, *made("idd", tmp_path, "val").masks):
            save(
                mask.with_name(mask.name.replace("polygons.json", "labellevel3Ids.png")),
                np.array([[0, 25, 255]], np.uint8),
            )
            mask.unlink()
        dataset = open_dataset(ref("idd", tmp_path))
        assert dataset.read_ids(0).tolist() == [[0, 25, 255]]
        assert [dataset.classes[k] for k in (0, 25)] == ["road", "sky"]

    def test_pictures_may_be_jpegs(self, tmp_path: Path) -> None:
        image = made("idd", tmp_path).images[0]
        with Image.open(image) as png:
            png.save(image.with_suffix(".jpg"))
        image.unlink()
        assert open_dataset(ref("idd", tmp_path)).images[0] == image.with_suffix(".jpg")


class TestMapillary:
    def test_values_are_places_in_the_list_and_the_last_is_nothing(self, tmp_path: Path) -> None:
        dataset = made("mapillary", tmp_path)
        mask = raw(dataset.masks[0])
        found = {value: names_where(dataset, mask, value) for value in np.unique(mask)}
        assert found == {
            65: {""},
            27: {"sky"},
            13: {"road"},
            55: {"car"},
            23: {"lane marking crosswalk"},
            63: {"car mount"},
        }
        assert len(dataset.classes) == 65
        assert "unlabeled" not in dataset.classes

    def test_labels_come_from_the_sets_own_file(self, tmp_path: Path) -> None:
        path = make_mapillary(tmp_path) / "config.json"
        path.write_text(path.read_text().replace('"Road"', '"Way - Any Street"'))
        assert open_dataset(ref("mapillary", tmp_path)).classes[VISTAS.index("Road")] == "way any street"

    def test_two_labels_of_one_name_are_refused(self, tmp_path: Path) -> None:
        path = make_mapillary(tmp_path) / "config.json"
        path.write_text(path.read_text().replace('"Sand"', '"Lane Marking Crosswalk"'))
        with pytest.raises(DataError, match="two classes of one name: 23 and 26 are 'lane marking crosswalk'"):
            open_dataset(ref("mapillary", tmp_path))

    def test_labels_that_differ_in_their_first_part_are_two_classes(self, tmp_path: Path) -> None:
        path = make_mapillary(tmp_path) / "config.json"
        path.write_text(path.read_text().replace('"Sand"', '"Traffic Sign - Parking"'))
        dataset = open_dataset(ref("mapillary", tmp_path))
        assert {"parking", "traffic sign parking"} <= set(dataset.classes)
        assert len(dataset.classes) == 65

    def test_version_2_brings_both(self, tmp_path: Path) -> None:
        make_mapillary(tmp_path, "v1.2")
        make_mapillary(tmp_path, "v2.0")
        one, two = open_dataset(ref("mapillary", tmp_path)), open_dataset(ref("mapillary-v2", tmp_path))
        assert (one.masks[0].parts[-3], two.masks[0].parts[-3]) == ("v1.2", "v2.0")

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("[", "its content cannot be used: Invalid JSON"),
            ("{}", "is not a list of Vistas' labels: its labels"),
            ('{"labels": [{"name": "x"}, {}]}', r"its labels\.0\.readable"),
        ],
    )
    def test_a_damaged_list_is_told(self, text: str, sentence: str, tmp_path: Path) -> None:
        (make_mapillary(tmp_path) / "config.json").write_text(text)
        with pytest.raises(DataError, match=rf"config\.json.*{sentence}"):
            open_dataset(ref("mapillary", tmp_path))


def test_sunrgbd_value_k_is_class_k_minus_1_and_0_is_ignored(tmp_path: Path) -> None:
    dataset = made("sunrgbd", tmp_path, "val")
    mask = raw(dataset.masks[0])
    found = {value: names_where(dataset, mask, value) for value in np.unique(mask)}
    assert found == {0: {""}, 1: {"wall"}, 2: {"floor"}, 5: {"chair"}, 37: {"bag"}}
    assert dataset.masks[0].parent.name == "test"


@pytest.mark.parametrize("begin", [1, 5051])
def test_sunrgbd_training_masks_go_on_behind_the_test_masks(begin: int, tmp_path: Path) -> None:
    """All in one folder, as published. The pictures of training may be numbered anew, or go on too."""
    root = MAKERS["sunrgbd"](tmp_path)
    for split, first in (("test", 1), ("train", 5051)):
        for number in range(3):
            mask = root / "label37" / split / f"img-{number + 1:06d}.png"
            save(mask, np.full((HEIGHT_PX, WIDTH_PX), 10 * (split == "train") + number + 1, np.uint8))
            mask.rename(root / "label37" / f"img-{first + number:06d}.png")
            image = root / "image" / split / f"img-{number + 1:06d}.jpg"
            image.rename(image.with_name(f"img-{number + (begin if split == 'train' else 1):06d}.jpg"))
        (root / "label37" / split).rmdir()
    for split, values in (("train", [11, 12, 13]), ("val", [1, 2, 3])):
        dataset = open_dataset(ref("sunrgbd", root, split))
        assert [dataset.read_ids(index)[0, 0] + 1 for index in range(3)] == values


class TestFSS:
    def test_grey_from_128_on_is_the_class_of_the_folder(self, tmp_path: Path) -> None:
        dataset = made("fss1000", tmp_path)
        assert dataset.classes == ("ac_wall", "acorn")
        at = [path.parent.name for path in dataset.images].index("acorn")
        save(dataset.masks[at], np.array([[[127] * 3, [128] * 3, [255] * 3]], np.uint8))
        assert dataset.read_ids(at).tolist() == [[255, 1, 1]]

    def test_masks_of_0_and_1_are_read(self, tmp_path: Path) -> None:
        dataset = made("fss1000", tmp_path)
        save(dataset.masks[0], np.array([[0, 1]], np.uint8))
        assert dataset.read_ids(0).tolist() == [[255, 0]]

    def test_pictures_are_in_the_order_of_text(self, tmp_path: Path) -> None:
        dataset = made("fss1000", tmp_path)
        assert [path.stem for path in dataset.images[:10]] == ["1", "10", "2", "3", "4", "5", "6", "7", "8", "9"]

    def test_more_classes_than_8_bits_hold(self, tmp_path: Path) -> None:
        root = make_fss1000(tmp_path)
        more = [f"thing_{number:03d}" for number in range(300)]
        for name in more:
            (root / "FSS-1000" / name).mkdir()
            for file in ("1.jpg", "1.png"):
                shutil.copy(root / "FSS-1000" / "acorn" / file, root / "FSS-1000" / name / file)
        (root / "splits" / "fss" / "trn.txt").write_text("\n".join(more) + "\n")
        dataset = open_dataset(ref("fss1000", root))
        assert (len(dataset.classes), dataset.ignore) == (300, 300)
        ids = dataset.read_ids(len(dataset) - 1)
        assert ids.dtype == np.int16
        assert set(np.unique(ids)) == {299, 300}
        assert check_dataset(dataset).min() > 0

    def test_without_lists_the_split_is_that_of_lang_seg(self, tmp_path: Path) -> None:
        shutil.rmtree(make_fss1000(tmp_path) / "splits")
        with pytest.raises(DataError, match=r"lacks 518 of the 520 classes of 'trn': adhensive_tape, .* and 498 more"):
            open_dataset(ref("fss1000", tmp_path))  # the third of 520 classes

    def test_a_class_without_pictures_is_told(self, tmp_path: Path) -> None:
        root = make_fss1000(tmp_path)
        shutil.rmtree(root / "FSS-1000" / "acorn")
        with pytest.raises(DataError, match=r"lacks 1 of the 2 classes of 'trn': acorn; it holds 5 folders"):
            open_dataset(ref("fss1000", root))
