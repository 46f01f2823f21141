"""Known sets as they really lie: as their archives unpack, and as the tools that people use lay them out."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lseg_cli.config import DataRef
from lseg_cli.data.datasets import open_dataset
from lseg_cli.data.inspection import Finding, inspect_split, splits_of
from lseg_cli.data.split import Dataset
from tests.data.miniatures import (
    HEIGHT_PX,
    WIDTH_PX,
    make_cityscapes,
    make_coco_panoptic,
    make_pascal,
    make_sunrgbd,
    save,
)

SAMPLES = {  # folder of real samples -> the data set
    "voc-real": "pascal:{}:val",
    "voc-real/VOCdevkit": "pascal:{}:val",
    "sunrgbd-choy": "sunrgbd:{}",
    "coco-c": "coco-panoptic:{}:val",
    "mapillary-v2": "mapillary-v2:{}:val",
    "city-b": "cityscapes:{}:val",
    "ade20k": "ade20k:{}",
}


def opened(name: str, root: Path, split: str = "train") -> Dataset:
    return open_dataset(DataRef(path=name, root=str(root), split=split))


def untracked(findings: Iterable[Finding], _total: int) -> Iterator[Finding]:
    yield from findings


class TestPascal:
    @pytest.mark.parametrize("place", ["VOC2012", "VOCdevkit/VOC2012"])
    def test_official_masks_alone(self, place: str, tmp_path: Path) -> None:
        made = make_pascal(tmp_path / "made") / "VOC2012"
        (made / "SegmentationClassAug").rename(made / "SegmentationClass")
        first = (made / "ImageSets/Segmentation/train.txt").read_text().split()[0]
        (made / "ImageSets/Segmentation/trainaug.txt").write_text("2000_000001\n")  # whose mask is not there
        (tmp_path / "root" / place).parent.mkdir(parents=True)
        shutil.move(made, tmp_path / "root" / place)
        dataset = opened("pascal", tmp_path / "root")
        assert dataset.images[0].stem == first
        assert set(np.unique(dataset.read_ids(0))) > {0, 255}

    @pytest.mark.parametrize("name", ["trainaug", "train_aug"])
    def test_lists_of_the_additional_masks(self, name: str, tmp_path: Path) -> None:
        lists = make_pascal(tmp_path) / "VOC2012/ImageSets/Segmentation"
        last = lists.joinpath("train.txt").read_text().split()[-1]
        lists.joinpath(f"{name}.txt").write_text(f"{last}\n")
        assert [path.stem for path in opened("pascal", tmp_path).images] == [last]


def test_sunrgbd_masks_with_eight_digits(tmp_path: Path) -> None:
    root = make_sunrgbd(tmp_path)
    for split in ("train", "test"):
        for number, path in enumerate(sorted((root / "label37" / split).iterdir()), 1):
            save(path, np.full((HEIGHT_PX, WIDTH_PX), number, np.uint8))
            path.rename(path.with_name(f"{number:08d}.png"))
    for split in ("train", "val"):
        dataset = opened("sunrgbd", root, split)
        assert [dataset.read_ids(index)[0, 0] + 1 for index in range(3)] == [1, 2, 3]


class TestPanoptic:
    def test_masks_beside_annotations(self, tmp_path: Path) -> None:
        root = make_coco_panoptic(tmp_path)
        expected = opened("coco-panoptic", root).read_ids(0)
        for split in ("train2017", "val2017"):
            (root / "annotations" / f"panoptic_{split}").rename(root / f"panoptic_{split}")
        np.testing.assert_array_equal(opened("coco-panoptic", root).read_ids(0), expected)


def test_cityscapes_in_folders_named_after_its_archives(tmp_path: Path) -> None:
    root = make_cityscapes(tmp_path)
    for kind in ("leftImg8bit", "gtFine"):
        (root / f"{kind}_trainvaltest").mkdir()
        (root / kind).rename(root / f"{kind}_trainvaltest" / kind)
    assert len(opened("cityscapes", root, "val")) == 3


@pytest.mark.parametrize("folder", SAMPLES)
def test_real_samples_open(folder: str) -> None:
    """Of third parties, so they lie elsewhere: LSEG_LAYOUTS names the folder."""
    root = os.environ.get("LSEG_LAYOUTS")
    if root is None:
        pytest.skip("LSEG_LAYOUTS does not name the folder of samples")

    name, place, split = (*SAMPLES[folder].format(Path(root) / folder).split(":"), None)[:3]
    for ref in splits_of(f"{name}:{place}", None, None, split, None):
        report = inspect_split(ref, untracked, threads=1)
        assert report.sound, report.problems
        if name == "mapillary-v2":
            assert report.dataset is not None
            assert len(report.dataset.classes) == 123
