from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lseg_cli.config import DataRef
from lseg_cli.data.datasets import check_dataset, open_dataset
from lseg_cli.data.inspection import MAX_PROBLEMS, Finding, SplitReport, inspect_split, splits_of
from lseg_cli.data.sets.registry import KNOWN
from lseg_cli.errors import DataError, LsegError
from tests.data.miniatures import HEIGHT_PX, WIDTH_PX, make_ade20k, make_pascal, save


def untracked(findings: Iterable[Finding], _total: int) -> Iterator[Finding]:
    yield from findings


def inspect(ref: DataRef, decode: bool = False) -> SplitReport:
    return inspect_split(ref, untracked, threads=2, decode=decode)


def test_what_is_sound_is_counted(tmp_path: Path) -> None:
    ref = DataRef(path="ade20k", root=str(make_ade20k(tmp_path)))
    report = inspect(ref)
    counts = check_dataset(open_dataset(ref))
    assert report.counts[:-1].tolist() == counts.tolist()
    assert (report.sound, report.problems, report.problem_count) == ((0, 1, 2), (), 0)
    assert report.counts.sum() == 3 * HEIGHT_PX * WIDTH_PX
    assert report.ignored() == pytest.approx(3 / WIDTH_PX)
    assert sum(report.shares().values()) == pytest.approx(1)
    assert report.shares()["sky"] == pytest.approx(counts[2] / counts.sum())


def test_all_that_is_wrong_is_told_in_the_order_of_the_pictures(tmp_path: Path) -> None:
    dataset = open_dataset(DataRef(path="ade20k", root=str(make_ade20k(tmp_path)), split="val"))
    dataset.masks[0].unlink()
    save(dataset.masks[1], np.full((HEIGHT_PX, WIDTH_PX), 151, np.uint8))
    report = inspect(DataRef(path="ade20k", root=str(tmp_path), split="val"))
    assert report.sound == (2,)
    assert report.problem_count == 2
    assert "has no mask" in report.problems[0]
    assert "holds id 151" in report.problems[1]
    assert report.counts.sum() == HEIGHT_PX * WIDTH_PX


def test_a_split_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    report = inspect(DataRef(path="idd", root=str(tmp_path)))
    assert (report.dataset, report.problem_count, report.ignored(), report.shares()) == (None, 1, 0, {})
    assert report.problems[0].startswith(f"{tmp_path}/leftImg8bit/train is missing")


def test_pictures_are_read_whole_only_if_asked(mini: Path) -> None:
    path = mini.parent / "images" / "train" / "0.png"
    path.write_bytes(path.read_bytes()[:-2000])  # the header is whole
    assert inspect(DataRef(path=str(mini))).problem_count == 0
    report = inspect(DataRef(path=str(mini)), decode=True)
    assert report.problem_count == 1
    assert "images/train/0.png is damaged" in report.problems[0]


def test_what_is_unusual_is_noted(mini: Path) -> None:
    for path in (mini.parent / "masks" / "val").iterdir():
        ids = np.full((64, 96), 255, np.uint8)
        ids[:8, :8], ids[8:16, :8] = 0, 1
        path.unlink()
        save(path, ids)
    assert inspect(DataRef(path=str(mini))).notes() == []
    report = inspect(DataRef(path=str(mini), split="val"))
    assert report.notes() == ["1 of 3 classes occur nowhere: car.", "97.9% of the pixels have no label."]
    assert report.problem_count == 0


def test_what_cannot_teach_is_a_problem(mini: Path) -> None:
    for path in (mini.parent / "masks" / "val").iterdir():
        save(path, np.full((64, 96), 255, np.uint8))
    report = inspect(DataRef(path=str(mini), split="val"))
    assert report.problem_count == 1
    assert report.problems[0].startswith("Not one pixel of mini has a label")


def test_a_wrong_split_of_a_folded_set_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pascal5i has no split 'test'; it has train, val"):
        splits_of("pascal5i", str(make_pascal(tmp_path)), None, "test", None)


def test_of_very_many_problems_the_first_are_told_and_all_are_counted(mini: Path) -> None:
    for number in range(MAX_PROBLEMS + 5):
        save(mini.parent / "images" / "train" / f"more_{number}.png", np.zeros((4, 4, 3), np.uint8))
    report = inspect(DataRef(path=str(mini)))
    assert (len(report.problems), report.problem_count, len(report.sound)) == (MAX_PROBLEMS, MAX_PROBLEMS + 5, 4)


def test_splits_are_those_of_the_set(mini: Path) -> None:
    assert [ref.split for ref in splits_of("fss1000", "/data", None, None, None)] == ["train", "val", "test"]
    assert [ref.split for ref in splits_of(str(mini), None, None, None, None)] == ["train", "val"]
    assert [ref.split for ref in splits_of(f"{mini}:val", None, None, None, None)] == ["val"]
    assert splits_of("idd:/data", None, None, "val", None) == [DataRef(path="idd", root="/data", split="val")]


def test_every_fold_is_looked_at_unless_one_is_named(tmp_path: Path) -> None:
    root = str(make_pascal(tmp_path))
    refs = splits_of("pascal5i", root, None, None, None)
    assert [(ref.fold, ref.split) for ref in refs] == [(k, split) for k in range(4) for split in ("train", "val")]
    assert [(ref.fold, ref.split) for ref in splits_of("pascal5i", root, None, "val", 2)] == [(2, "val")]
    assert [inspect(ref).title for ref in refs[:2]] == ["train, fold 0", "val, fold 0"]
    assert all(inspect(ref).problem_count == 0 for ref in refs)


def test_lists_may_lie_elsewhere(tmp_path: Path) -> None:
    root = make_pascal(tmp_path / "data")
    (root / "splits").replace(tmp_path / "lists")
    (ref,) = splits_of("pascal5i", str(root), str(tmp_path / "lists"), "val", 0)
    assert inspect(ref).problem_count == 0


def test_an_unknown_set_is_told() -> None:
    with pytest.raises(LsegError, match="no data set or folder 'ade20'; did you mean ade20k"):
        splits_of("ade20", "/data", None, None, None)
    with pytest.raises(DataError, match=r"none\.yaml cannot be read"):
        splits_of("none.yaml", None, None, None, None)
    assert "ade20k" in KNOWN
