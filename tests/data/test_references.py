from pathlib import Path

import pytest

from lseg_cli.config import DataRef
from lseg_cli.data.datasets import open_dataset
from lseg_cli.data.references import parse_data
from lseg_cli.errors import DataError, LsegError


@pytest.mark.parametrize(
    ("text", "path", "split"),
    [
        ("mini/dataset.yaml", "mini/dataset.yaml", "train"),
        ("mini/dataset.yaml:val", "mini/dataset.yaml", "val"),
        ("C:\\mini\\dataset.yaml", "C:\\mini\\dataset.yaml", "train"),
        ("C:\\mini\\dataset.yaml:val", "C:\\mini\\dataset.yaml", "val"),
        ("$DATA:val", "$DATA", "val"),
    ],
)
def test_a_file_may_name_its_split(text: str, path: str, split: str) -> None:
    assert parse_data(text, "train") == DataRef(path=path, split=split)


@pytest.mark.parametrize(
    ("text", "root", "split"),
    [
        ("ade20k:/data", "/data", "train"),
        ("ade20k:/data:val", "/data", "val"),
        ("ade20k:data", "data", "train"),
        ("ade20k:data:val", "data", "val"),
        ("ade20k:C:\\data", "C:\\data", "train"),
        ("ade20k:C:\\data:val", "C:\\data", "val"),
        ("ade20k:$ADE20K:val", "$ADE20K", "val"),
    ],
)
def test_a_known_set_brings_its_root(text: str, root: str, split: str) -> None:
    assert parse_data(text, "train") == DataRef(path="ade20k", root=root, split=split)


def test_a_folder_is_named_by_a_word(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mini.parent.parent)
    ref = parse_data("mini:val", "train")
    assert ref == DataRef(path="mini", split="val")
    assert len(open_dataset(ref)) == 2


@pytest.mark.parametrize("text", ["ade20", "ade20:/data:val", "ade20:val"])
def test_an_unknown_name_is_told_with_the_nearest(text: str) -> None:
    with pytest.raises(LsegError, match=r"no data set or folder 'ade20'; did you mean ade20k\?") as told:
        parse_data(text, "train")
    assert told.value.exit_code == 2


def test_an_unknown_name_in_a_recipe_is_told_too() -> None:
    with pytest.raises(LsegError, match=r"no data set or folder 'x'; there are ade20k, .*, or a dataset\.yaml"):
        open_dataset(DataRef(path="x", root="/data"))


@pytest.mark.parametrize("text", ["idd", "idd:"])
def test_a_known_set_without_its_root_is_told(text: str) -> None:
    with pytest.raises(LsegError, match=r"Say where idd lies, as idd:ROOT; ROOT holds leftImg8bit/"):
        parse_data(text, "train")
    with pytest.raises(LsegError, match=r"Say where idd lies, as idd:ROOT"):
        open_dataset(DataRef(path="idd"))


def test_a_described_folder_takes_no_root(mini: Path) -> None:
    with pytest.raises(LsegError, match=r"dataset\.yaml is described by its file: root, fold and lists are for the"):
        open_dataset(DataRef(path=str(mini), root="/data"))


def test_a_variable_that_is_not_set_is_told() -> None:
    with pytest.raises(DataError, match=r"\$NO_SUCH_ROOT names an environment variable that is not set"):
        open_dataset(DataRef(path="ade20k", root="$NO_SUCH_ROOT"))
