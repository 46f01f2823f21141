from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lseg_cli.errors import DataError, LsegError
from lseg_cli.evaluation.labelling import IGNORED, Labelling, match, read_label_map

CLASSES = ("sky", "road", "car", "bus")


def test_by_default_every_class_is_asked_for_by_its_name() -> None:
    labelling = Labelling.of(CLASSES, 255)
    assert labelling.classes == CLASSES
    assert labelling.queried == (0, 1, 2, 3)
    assert labelling.columns.tolist() == [0, 1, 2, 3, 4]  # the last: no label
    mask = np.array([[0, 3, 255]], np.uint8)
    assert labelling.truth(mask, Path("a.png")).tolist() == [[0, 3, IGNORED]]


def test_other_words_stand_for_the_classes_in_their_order() -> None:
    assert match(("heaven", "street", "sedan", "coach"), CLASSES) == [0, 1, 2, 3]
    assert match(("heaven", "road", "sedan", "coach"), CLASSES) == [0, 1, 2, 3]


def test_the_classes_own_names_count_by_name_in_any_order() -> None:
    assert match(("Car", "bus", "sky", "ROAD"), CLASSES) == [2, 3, 0, 1]
    labelling = Labelling.of(CLASSES, 255, labels=("car", "bus", "sky", "road"), without=("bus",))
    assert labelling.queried == (0, 2, 3)
    assert labelling.columns.tolist() == [2, 0, 1, 4]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (("sky", "road"), "There are 2 labels for 4 classes"),
        (("road", "heaven", "sedan", "coach"), "Label 1 is 'road', but that class of the data set is 'sky'"),
    ],
)
def test_labels_that_do_not_fit_the_classes_are_refused(labels: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(LsegError, match=sentence):
        match(labels, CLASSES)


def test_extra_labels_are_columns_of_their_own() -> None:
    labelling = Labelling.of(CLASSES, 255, extra=("lava", "snow"), without=("car",))
    assert labelling.columns.tolist() == [0, 1, 3, 4, 5, 6]
    assert labelling.left_out == ("car",)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"extra": ("Sky",)}, "The extra label 'sky' is a class"),
        ({"without": ("boat",)}, "--without names 'boat', which is no class of the data set: sky, road, car, bus"),
        ({"without": CLASSES}, "No label is left"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LsegError, match=sentence):
        Labelling.of(CLASSES, 255, **options)


def test_merged_classes_are_one_for_masks_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "merge.yaml"
    path.write_text("vehicle: [car, Bus]\nground: [road]\n")
    merged = read_label_map(path, CLASSES)
    assert merged == {"car": "vehicle", "bus": "vehicle", "road": "ground"}
    labelling = Labelling.of(CLASSES, 255, extra=("lava",), merged=merged)
    assert labelling.classes == ("sky", "ground", "vehicle")
    assert labelling.columns.tolist() == [0, 1, 2, 2, 3, 4]
    assert labelling.truth(np.array([[2, 3, 1]], np.uint8), path).tolist() == [[2, 2, 1]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("vehicle: [car, lorry]", "names 'lorry', which is no class"),
        ("vehicle: [car]\nred: [car]", "puts 'car' into both 'vehicle' and 'red'"),
        ("vehicle: car", "is no label map"),
        ("", "is no label map"),
        ("a: [", "is no YAML"),
    ],
)
def test_a_wrong_label_map_says_what_is_wrong(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "merge.yaml"
    path.write_text(content)
    with pytest.raises(LsegError, match=sentence):
        read_label_map(path, CLASSES)


def test_a_label_map_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.yaml cannot be read: No such file"):
        read_label_map(tmp_path / "nowhere.yaml", CLASSES)


def test_a_mask_id_without_a_label_names_the_file_and_the_id() -> None:
    with pytest.raises(DataError, match=r"a\.png holds id 7, which has no label: .* classes 0 to 3 and ignores 255"):
        Labelling.of(CLASSES, 255).truth(np.array([[0, 7]], np.uint8), Path("a.png"))
