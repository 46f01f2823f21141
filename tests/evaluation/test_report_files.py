from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lseg_cli.errors import DataError
from lseg_cli.evaluation.report_files import CELL_PX, draw_confusion, write_report


def blueness(picture: Image.Image, row: int, column: int) -> int:
    """How dark the middle left of a cell is; cells lie at the lower right."""
    left, top = picture.width - (3 - column) * CELL_PX, picture.height - (2 - row) * CELL_PX
    pixel = picture.getpixel((left + 2, top + 2))
    assert isinstance(pixel, tuple)
    return 255 - int(pixel[0])


def test_the_more_pixels_of_a_class_the_darker_the_cell() -> None:
    picture = draw_confusion(["sky", "road"], ["sky", "road", "none of them"], [[900, 100, 0], [0, 1, 3]])
    assert (picture.width - 3 * CELL_PX) == (picture.height - 2 * CELL_PX) > 60  # the names' margin
    shades = [[blueness(picture, row, column) for column in range(3)] for row in range(2)]
    assert shades == [[230, 25, 0], [0, 64, 191]]


def test_a_class_without_pixels_has_a_row() -> None:
    assert draw_confusion(["a"], ["a", "none of them"], [[0, 0]]).height > 0


def result(**more: Any) -> dict[str, Any]:
    return {"class_iou": {"a": 0.5, "b": None}, **more}


def test_a_second_result_has_files_of_its_own(tmp_path: Path) -> None:
    write_report({"results": [result(), result(class_iou={"a": 1.0})]}, tmp_path / "new" / "report")
    files = {path.name: path.read_text() for path in (tmp_path / "new" / "report").iterdir()}
    assert set(files) == {"report.json", "classes.csv", "classes-2.csv"}
    assert files["classes.csv"].split() == ["class,iou", "a,0.500000", "b,"]


def test_names_are_no_formulas(tmp_path: Path) -> None:
    """A spreadsheet that opens the tables runs nothing that a data set calls its classes."""
    confusion = {"classes": ["=1+1"], "predicted": ["@x", "-1"], "pixels": [[1, -2]]}
    write_report({"results": [result(class_iou={"=1+1": 0.5}, confusion=confusion)]}, tmp_path)
    assert (tmp_path / "classes.csv").read_text().split() == ["class,iou", "'=1+1,0.500000"]
    assert (tmp_path / "confusion.csv").read_text().split() == ["class,'@x,'-1", "'=1+1,1,-2"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"report\.json cannot be written"):
        write_report({"results": []}, tmp_path / "file" / "report")
