import csv
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from lseg_cli.training.sweep_table import Figures, as_text, plot, rows_of, write_table

FOUND: dict[str, Figures] = {
    "plain": {seed: {"miou": miou, "pixel_accuracy": 0.9} for seed, miou in ((0, 0.5), (1, 0.6), (5, 0.55))},
    "a|<b>": {0: {"miou": 0.7, "pixel_accuracy": 0.8}},
}


def test_mean_and_deviation_are_over_the_seeds() -> None:
    plain, lone = rows_of(FOUND)
    assert plain == {
        "variant": "plain",
        "seeds": 3,
        "miou": 0.55,
        "miou_std": 0.05,
        "pixel_accuracy": 0.9,
        "pixel_accuracy_std": 0.0,
    }
    assert (lone["seeds"], lone["miou"], lone["miou_std"]) == (1, 0.7, None)
    assert [row["miou"] for row in as_text([plain, lone])] == ["0.550 ± 0.050", "0.700"]


def test_seen_and_unseen_have_columns_where_they_are_known() -> None:
    (row,) = rows_of({"x": {0: {"miou": 0.5, "seen_miou": 0.6, "unseen_miou": 0.1}}})
    assert list(row)[4:] == ["seen_miou", "seen_miou_std", "unseen_miou", "unseen_miou_std"]


def test_the_table_is_written_for_programs_for_people_and_as_a_picture(tmp_path: Path) -> None:
    names = [path.name for path in write_table(FOUND, tmp_path / "out")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    with (tmp_path / "out" / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["miou_seed_5"] for row in rows] == ["0.55", ""]
    assert [float(row["miou"]) for row in rows] == pytest.approx([0.55, 0.7])
    table = (tmp_path / "out" / "table.md").read_text("utf-8").splitlines()
    assert table[0] == "| variant | seeds | miou | pixel_accuracy |"
    assert table[3] == "| a\\|<b> | 1 | 0.700 | 0.800 |"


def test_the_plot_has_a_dot_for_every_run_where_its_value_is() -> None:
    picture = Xml.fromstring(plot(FOUND))
    circles = picture.findall("{*}circle")
    across = [float(circle.get("cx", "")) for circle in circles]
    assert across[3] - across[0] == pytest.approx(2 * (across[1] - across[0]), abs=0.3)
    assert across[0] < across[2] < across[1] < across[3] < float(picture.get("width", ""))
    assert len({circle.get("cy") for circle in circles}) == 2
    assert {"plain", "a|<b>", "mIoU", "0.5", "0.6", "0.7"} <= {text.text for text in picture.findall("{*}text")}


def test_runs_that_are_equal_can_be_drawn() -> None:
    assert plot({"x": {0: {"miou": 0.0}, 1: {"miou": 0.0}}}).count("<circle") == 2
