import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lseg_cli.config import DataRef
from lseg_cli.errors import DataError, LsegError
from lseg_cli.evaluation.metrics import Scores
from lseg_cli.training.unseen import open_seen, split_mean_iou, unseen_ids


def ref(mini: Path, **facts: Any) -> DataRef:
    return DataRef(path=str(mini), **facts)


@pytest.fixture
def without_cars(mini: Path) -> Path:
    """The miniature, where only the second of four training pictures shows a car."""
    for index in (0, 2, 3):
        path = mini.parent / "masks" / "train" / f"{index}.png"
        ids = np.asarray(Image.open(path)).copy()
        ids[ids == 2] = 1
        Image.fromarray(ids).save(path)
    return mini


def test_an_unseen_class_in_a_mask_is_an_error_that_names_the_file(without_cars: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"{Path('masks/train/1.png')} shows 'car'")):
        open_seen([ref(without_cars, unseen=("car",))])


def test_pictures_of_an_unseen_class_are_skipped(without_cars: Path) -> None:
    (dataset,), unseen = open_seen([ref(without_cars, unseen=("car",), unseen_pixels="skip")])
    assert (
        [path.name for path in dataset.images] == [path.name for path in dataset.masks] == ["0.png", "2.png", "3.png"]
    )
    assert unseen == {"car"}
    assert unseen_ids(dataset, unseen) == [2]


def test_pictures_are_kept_where_only_pixels_are_ignored(mini: Path) -> None:
    (dataset,), _ = open_seen([ref(mini, unseen=("car",), unseen_pixels="ignore")])
    assert len(dataset) == 4


def test_without_pictures_there_is_nothing_to_train_on(mini: Path) -> None:
    with pytest.raises(DataError, match="split train, shows a class that training must not see"):
        open_seen([ref(mini, unseen=("sky",), unseen_pixels="skip")])


def test_without_unseen_classes_everything_is_seen(mini: Path) -> None:
    datasets, unseen = open_seen([ref(mini), ref(mini, split="val")])
    assert ([len(dataset) for dataset in datasets], unseen) == ([4, 2], frozenset())


def test_an_unseen_class_that_does_not_exist_is_told(mini: Path) -> None:
    with pytest.raises(LsegError, match=r"'cars' is none of .*: sky, road, car"):
        open_seen([ref(mini, unseen=("sky", "cars"), unseen_pixels="ignore")])


def test_all_classes_unseen_leave_nothing(mini: Path) -> None:
    with pytest.raises(LsegError, match="nothing to train on"):
        open_seen([ref(mini, unseen=("sky", "road", "car"), unseen_pixels="ignore")])


def test_a_class_is_not_unseen_here_and_trained_on_there(mini: Path) -> None:
    hidden = ref(mini, unseen=("car",), unseen_pixels="ignore")
    with pytest.raises(LsegError, match=r"'car' is unseen in one data set, and .* trains on it"):
        open_seen([hidden, ref(mini)])
    assert len(open_seen([hidden, hidden])[0]) == 2


def test_means_are_over_classes_that_have_an_iou() -> None:
    iou = {"sky": 0.5, "road": 0.7, "Car": 0.2, "pole": None}
    scores = Scores(pixel_accuracy=0, mean_iou=0, class_iou=iou, pictures=1)
    seen, unseen = split_mean_iou(scores, {"car", "pole"})
    assert seen == pytest.approx(0.6)
    assert unseen == pytest.approx(0.2)
    assert split_mean_iou(scores, {"pole"})[1] is None
