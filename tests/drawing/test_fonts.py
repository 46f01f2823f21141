"""Names in other scripts are shown where a font has them, each by its own; else their ids are, and that is said."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from lseg_cli.data.labels import LabelSet
from lseg_cli.drawing import fonts
from lseg_cli.drawing.overlay import draw_overlay
from lseg_cli.errors import LsegError

NO_FONT = "\U00012000\U00012001"  # cuneiform, which no usual font has


@pytest.fixture(autouse=True)
def no_system_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has."""
    monkeypatch.setattr(fonts, "_SYSTEM", ())
    monkeypatch.delenv("LSEG_FONT", raising=False)


def test_a_name_is_drawn_as_it_is_or_as_its_number() -> None:
    assert fonts.drawn("road", "id 0", 20)[0] == "road"
    assert fonts.drawn(NO_FONT, "id 7", 20)[0] == "id 7"
    assert fonts.drawn(f"Caf\u00e9 {NO_FONT}", "id 7", 20)[0] == "Cafe (id 7)"


def test_a_sentence_says_which_names_no_font_has() -> None:
    assert fonts.notice(["road", "sky"]) == ""
    assert fonts.notice(["road", NO_FONT]) == (
        f"No font here has the letters of {NO_FONT!r}: legends show ids instead, and labels.json has the names; "
        "install a font of that script, or name its file in LSEG_FONT."
    )


def test_one_name_without_a_font_leaves_the_others_theirs() -> None:
    labels = LabelSet.of(["road", NO_FONT])
    ids = np.zeros((200, 400), np.uint8)
    ids[:100] = 1
    legend = draw_overlay(np.zeros((200, 400, 3), np.uint8), ids, labels, [(0, 0, 255), (0, 255, 0)]).crop(
        (0, 200, 400, 260)
    )
    named = LabelSet.of(["road", "id 1"])
    same = draw_overlay(np.zeros((200, 400, 3), np.uint8), ids, named, [(0, 0, 255), (0, 255, 0)]).crop(
        (0, 200, 400, 260)
    )
    assert np.array_equal(np.asarray(legend), np.asarray(same))


def test_a_font_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    (tmp_path / "own.ttf").write_bytes(font.font_bytes)
    monkeypatch.setenv("LSEG_FONT", str(tmp_path / "own.ttf"))
    assert fonts.notice(["road"]) == ""
    Image.new("L", (4, 4)).save(tmp_path / "no.png")
    monkeypatch.setenv("LSEG_FONT", str(tmp_path / "no.png"))
    with pytest.raises(LsegError, match=r"LSEG_FONT names .*no\.png, which is not a font"):
        fonts.notice(["road"])
