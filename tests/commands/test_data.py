"""`lseg data check` from the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command_line import lseg
from tests.data.miniatures import FOLDED, HEIGHT_PX, MAKERS, WIDTH_PX, make_ade20k, save


@pytest.mark.parametrize("name", MAKERS)
def test_every_known_set_passes(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, sheet = MAKERS[name](tmp_path), tmp_path / "sheet.jpg"
    assert lseg("data", "check", name, root, "--json", "--sheet", sheet, "-q") == 0
    out, err = capsys.readouterr()
    splits = json.loads(out)["splits"]
    assert err == ""
    assert len(splits) >= (8 if name in FOLDED else 2)
    assert all(split["pictures"] >= 2 and split["problems"] == [] for split in splits)
    assert all(sum(split["classes"].values()) == pytest.approx(1) for split in splits)
    with Image.open(sheet) as image:
        assert image.width > 800


def test_a_description_passes_and_shares_are_told(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("data", "check", mini) == 0
    out, err = capsys.readouterr()
    assert f"Next: lseg train -m lseg-tiny --data {mini} --val {mini}\n" in err
    lines = out.splitlines()
    assert lines[0].split() == ["split", "pictures", "without", "label", "problems"]
    assert lines[1].split() == ["train", "4", "3.1%", "0"]
    assert lines[4].split() == ["class", "train", "val"]
    assert [line.split()[0] for line in lines[5:8]] == ["sky", "road", "car"]


def test_the_set_may_be_said_in_one_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_ade20k(tmp_path)
    assert lseg("data", "check", f"ade20k:{tmp_path}:val", "--json") == 0
    assert [split["split"] for split in json.loads(capsys.readouterr().out)["splits"]] == ["val"]


@pytest.mark.parametrize("as_json", [False, True])
def test_all_that_is_wrong_is_listed_and_the_exit_code_is_4(
    as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_ade20k(tmp_path) / "ADEChallengeData2016" / "annotations" / "training"
    (base / "ADE_train_00000001.png").unlink()
    save(base / "ADE_train_00000002.png", np.full((HEIGHT_PX, WIDTH_PX), 200, np.uint8))
    (tmp_path / "ADEChallengeData2016" / "images" / "validation").rename(tmp_path / "elsewhere")
    assert lseg("data", "check", "ade20k", tmp_path, *(["--json"] if as_json else [])) == 4
    out, err = capsys.readouterr()
    assert err.strip() == "lseg: ade20k has 3 problems, listed above."
    for part in ("ADE_train_00000001.png is missing", "holds id 200", "images/validation is missing"):
        assert part in out
    if as_json:
        assert [split["problem_count"] for split in json.loads(out)["splits"]] == [2, 1]


def test_quiet_shows_problems_alone(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("data", "check", mini, "-q") == 0
    assert capsys.readouterr() == ("", "")
    (mini.parent / "masks" / "val" / "4.png").unlink()
    assert lseg("data", "check", mini, "-q") == 4
    assert capsys.readouterr().out.count("\n") == 1


def test_where_nothing_was_read_no_share_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("data", "check", "idd", tmp_path) == 4
    assert capsys.readouterr().out.splitlines()[1].split() == ["train", "0", "-", "1"]


def test_mistakes_in_the_command_are_told_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code, part in (
        (["ade20", tmp_path], 2, "did you mean ade20k?"),
        (["ade20k"], 2, "Say where ade20k lies"),
        (["ade20k", tmp_path, "--fold", "1"], 2, "ade20k has no folds"),
        (["pascal5i", tmp_path, "--fold", "4"], 2, "pascal5i comes in folds"),
        (["ade20k", tmp_path, "--sheet", "sheet.gif"], 2, "name it .jpg or .png"),
        (["none.yaml"], 4, "none.yaml cannot be read"),
    ):
        assert lseg("data", "check", *arguments) == code
        assert part in capsys.readouterr().err


def test_without_a_sheet_torch_is_not_imported(mini: Path) -> None:
    program = (
        "import sys; from lseg_cli.main import _run;"
        f"code = _run(['data', 'check', {str(mini)!r}, '-q']);"
        "sys.exit(code or bool({'torch', 'open_clip', 'timm'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0
