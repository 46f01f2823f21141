"""Split lists, and pickles that must not be obeyed."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from lseg_cli.data.fold_lists import find_list, read_classwise, read_pairs
from lseg_cli.errors import DataError


class Malicious:
    """Unpickled, it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("folder", ["", "splits", "data/splits", "fewshot_data/data/splits"])
def test_lists_are_found_in_copies_of_hsnet_and_of_lang_seg(folder: str, tmp_path: Path) -> None:
    path = tmp_path / folder / "pascal" / "val" / "fold0.txt"
    path.parent.mkdir(parents=True)
    path.write_text("2007_000033__01\n")
    assert find_list(tmp_path, tmp_path / "none", "pascal", "val/fold0") == path
    assert find_list(None, tmp_path, "pascal", "val/fold0") == path


def test_a_list_that_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The split list coco/trn/fold2\.pkl \(or \.txt\) is neither in .*data/splits"):
        find_list(None, tmp_path, "coco", "trn/fold2")


def test_pairs_keep_their_order_and_count_from_0(tmp_path: Path) -> None:
    path = tmp_path / "fold0.txt"
    path.write_text("2007_000033__01\n2007_000033__15\n2008_000002__20\n\n")
    assert read_pairs(path, 20) == [("2007_000033", 0), ("2007_000033", 14), ("2008_000002", 19)]


@pytest.mark.parametrize("line", ["2007_000033", "2007_000033__", "2007_000033__0", "2007_000033__21", "__3", "a__-1"])
def test_a_line_that_names_no_class_is_told(line: str, tmp_path: Path) -> None:
    path = tmp_path / "fold0.txt"
    path.write_text(f"2007_000033__01\n{line}\n")
    with pytest.raises(DataError, match=rf"fold0\.txt, line 2: '{line}' is not NAME__CLASS with a class of 1 to 20"):
        read_pairs(path, 20)


def test_a_list_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "fold0.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"The list .*fold0\.txt cannot be read"):
        read_pairs(tmp_path / "fold0.txt", 20)


def test_an_empty_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "fold0.txt").touch()
    with pytest.raises(DataError, match="is empty"):
        read_pairs(tmp_path / "fold0.txt", 20)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_plain_containers_is_read(protocol: int, tmp_path: Path) -> None:
    classwise = {0: ["val2014/a.jpg", "val2014/b.jpg"], 76: ["val2014/a.jpg"]}
    path = tmp_path / "fold0.pkl"
    path.write_bytes(pickle.dumps(classwise, protocol))
    assert read_classwise(path, 80) == classwise


def test_a_plain_list_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "fold0.txt"
    path.write_text("val2014/a.jpg__01\nval2014/b.jpg__01\nval2014/a.jpg__77\n")
    assert read_classwise(path, 80) == {0: ["val2014/a.jpg", "val2014/b.jpg"], 76: ["val2014/a.jpg"]}


def test_a_malicious_pickle_is_refused_and_not_carried_out(tmp_path: Path) -> None:
    path, folder = tmp_path / "fold0.pkl", tmp_path / "made"
    path.write_bytes(pickle.dumps({0: [Malicious(folder)]}))
    with pytest.raises(DataError, match=r"fold0\.pkl is refused: it asks for (posix|nt)\.mkdir"):
        read_classwise(path, 80)
    assert not folder.exists()
    pickle.loads(path.read_bytes())  # so it was malicious
    assert folder.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (OrderedDict({0: ["a"]}), r"is refused: it asks for collections\.OrderedDict"),
        ({np.int64(0): ["a"]}, r"is refused: it asks for numpy"),
        ([["a"]], "holds no lists of names by class"),
        ({"0": ["a"]}, "holds no lists of names by class"),
        ({0: "a"}, "holds no lists of names by class"),
        ({0: [1]}, "holds no lists of names by class"),
        ({}, "must list pictures for classes of 0 to 79"),
        ({80: ["a"]}, "must list pictures for classes of 0 to 79"),
    ],
)
def test_anything_else_in_a_pickle_is_told(content: object, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "fold0.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=rf"fold0\.pkl {sentence}"):
        read_classwise(path, 80)


@pytest.mark.parametrize("data", [b"", b"no pickle", b"\x80\x04\x95", b"Pabc\n."])
def test_a_damaged_pickle_is_told(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "fold0.pkl"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"fold0\.pkl (cannot be read as a pickle of names by class|is refused)"):
        read_classwise(path, 80)
