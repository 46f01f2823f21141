"""`lseg report`: tables and a page of a folder that was segmented, whatever is in it."""

import base64
import csv
import html.parser
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.command_line import lseg

LABELS = "person, sky, dog, <script>alert(1)</script>"


def draw(*names: str) -> None:
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 48 + number, 3), np.uint8)
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(name)


def lines(name: str = "out/results.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


class Page(html.parser.HTMLParser):
    """What a page holds."""

    def __init__(self, path: str = "out/report.html") -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(Path(path).read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def pictures(self) -> list[Image.Image]:
        sources = [str(attributes["src"]) for tag, attributes in self.tags if tag == "img"]
        return [Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))) for source in sources]


@pytest.fixture
def folder(model: Path) -> Path:
    """Three pictures and a broken one, segmented."""
    draw("in/a.png", "in/sub/b.png", "in/c.png")
    Path("in/bad.jpg").write_text("no picture")
    assert lseg("segment", "in", "-l", LABELS, "-q") == 3
    return model.parent


@pytest.mark.usefixtures("folder")
class TestTables:
    def test_shares_are_those_of_the_masks(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert lseg("report", "out", "--json", "--csv", "shares.csv") == 0
        report = json.loads(capsys.readouterr().out)
        masks = [np.asarray(Image.open(path)) for path in sorted(Path("out/masks").rglob("*.png"))]
        assert report["pictures"] == len(masks) == 3
        assert report["pixels"] == sum(mask.size for mask in masks)
        assert len(report["labels"]) == 4
        assert sum(row["pixels"] > 0 for row in report["labels"]) > 1
        for row in report["labels"]:
            shares = [float((mask == row["id"]).mean()) for mask in masks]
            assert row["pixels"] == sum(int((mask == row["id"]).sum()) for mask in masks)
            assert row["share"] == pytest.approx(row["pixels"] / report["pixels"], abs=2e-6)
            assert row["mean_share"] == pytest.approx(np.mean(shares), abs=2e-6)
            assert row["pictures"] == sum(share > 0 for share in shares)
        with Path("shares.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["label"] for row in rows] == [row["label"] for row in report["labels"]]
        assert [int(row["pixels"]) for row in rows] == [row["pixels"] for row in report["labels"]]

    def test_failures_and_time_are_told_by_stage(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert lseg("report", "out", "--json") == 0
        report = json.loads(capsys.readouterr().out)
        assert report["failed"] == {"decode": 1}
        assert report["failures"][0]["source"] == "in/bad.jpg"
        assert {row["stage"] for row in report["stages"]} == {"read", "preprocess", "infer", "postprocess", "write"}
        assert sum(row["share"] for row in report["stages"]) == pytest.approx(1, abs=1e-3)

    def test_people_get_tables_and_the_name_of_the_page(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert lseg("report", "out") == 0
        said = capsys.readouterr()
        assert said.out.splitlines()[0].split() == ["label", "pictures", "pixels", "share", "mean", "share"]
        assert "failed: decode  1" in said.out
        assert "out/report.html" in said.err

    def test_shares_that_are_not_put_together_are_counted_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        for share in ("1/2", "2/2"):
            assert lseg("segment", "in", "-l", LABELS, "-q", "-o", "shared", "--shard", share) in {0, 3, 4}
        assert not Path("shared/results.jsonl").read_bytes()
        assert lseg("report", "shared", "--json") == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["pictures"], report["failed"], report["notices"]) == (3, {"decode": 1}, [])

    def test_a_picture_of_two_journals_is_counted_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out/results-1-of-2.jsonl").write_bytes(Path("out/results.jsonl").read_bytes())
        assert lseg("report", "out", "--json") == 0
        assert json.loads(capsys.readouterr().out)["pictures"] == 3


@pytest.mark.usefixtures("folder")
class TestPage:
    def test_it_needs_nothing_but_itself(self) -> None:
        assert lseg("report", "out", "-q") == 0
        page = Page()
        links = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
        assert links
        assert all(str(link).startswith("data:image/jpeg;base64,") for link in links)
        assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
        assert "http" not in Path("out/report.html").read_text("utf-8").replace("http-equiv", "")

    def test_it_shows_pictures_bars_and_failures(self) -> None:
        assert lseg("report", "out", "-q") == 0
        page = Page()
        assert [picture.size for picture in page.pictures()] == [(48, 32), (50, 32), (49, 32)]
        assert len([tag for tag, _ in page.tags if tag == "rect"]) == sum(
            any(line["share"][name] for line in lines()) for name in lines()[0]["share"]
        )
        assert "in/bad.jpg" in page.text
        assert "3 of 3, evenly over the folder" in page.text

    @pytest.mark.skipif(sys.platform == "win32", reason="such names are not allowed")
    def test_names_are_shown_and_never_run(self) -> None:
        name = "<img src=x onerror=alert(1)>.png"
        draw(f"odd/{name}")
        Path("odd", os.fsdecode(b"caf\xe9.png")).write_bytes(Path("odd", name).read_bytes())
        Path("odd/<svg onload=alert(2)>.png").write_text("no picture")
        assert lseg("segment", "odd", "-l", LABELS, "-q", "-o", "out2") == 3
        assert lseg("report", "out2", "-q") == 0
        page = Page("out2/report.html")
        assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
        assert "script" not in {tag for tag, _ in page.tags}
        assert name in page.text
        assert "<svg onload=alert(2)>.png" in page.text
        assert len(page.pictures()) == 2

    def test_a_picture_that_is_gone_or_changed_is_shown_by_its_mask(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("in/a.png").unlink()
        draw("in/c.png")
        assert lseg("report", "out") == 0
        assert "missing or have changed since: 2 of 3" in capsys.readouterr().err
        with Image.open("out/masks/a.png") as mask:
            expected = np.asarray(mask.convert("RGB"), np.float64)
        shown = np.asarray(Page().pictures()[0], np.float64)
        assert np.abs(shown.mean((0, 1)) - expected.mean((0, 1))).max() < 4  # JPEG

    def test_saved_overlays_are_taken_without_their_legend(self) -> None:
        assert lseg("segment", "in", "-l", LABELS, "-q", "-o", "out3", "--save", "overlay") == 3
        for path in Path("in").rglob("*.png"):
            path.unlink()
        assert lseg("report", "out3", "-q") == 0
        page = Page("out3/report.html")
        assert [picture.size for picture in page.pictures()] == [(48, 32), (50, 32), (49, 32)]
        assert "missing" not in page.text

    def test_a_mask_that_is_gone_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out/masks/a.png").unlink()
        Path("out/masks/c.png").write_text("no mask")
        assert lseg("report", "out") == 0
        assert "masks are missing: 2 of 3" in capsys.readouterr().err
        assert len(Page().pictures()) == 1

    def test_masks_of_16_bits_are_read(self) -> None:
        labels = ",".join(f"word {number}" for number in range(300))
        assert lseg("segment", "in/a.png", "-l", labels, "-q", "-o", "many") == 0
        assert lseg("report", "many", "-q") == 0
        assert len(Page("many/report.html").pictures()) == 1

    def test_no_more_pictures_than_asked_for(self) -> None:
        assert lseg("report", "out", "-q", "--pictures", "2", "--html", "page.html") == 0
        assert len(Page("page.html").pictures()) == 2
        assert not Path("out/report.html").exists()
        assert lseg("report", "out", "-q", "--pictures", "0") == 0
        assert not Page().pictures()

    def test_results_that_start_anew_take_the_page_along(self) -> None:
        assert lseg("report", "out", "-q") == 0
        assert lseg("segment", "in", "-l", "tree", "-q") == 3
        assert Path("out/previous-1/report.html").is_file()
        assert not Path("out/report.html").exists()


class TestOddFolders:
    @pytest.mark.usefixtures("folder")
    def test_damaged_lines_are_left_out_and_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        with Path("out/results.jsonl").open("a") as file:
            file.write('{"source": 1}\nnonsense\n')
            file.write(json.dumps(lines()[0] | {"share": {"unknown": 0.5}}) + "\n")
            file.write(json.dumps(lines()[0] | {"height_px": float("nan")}) + "\n{")
        assert lseg("report", "out", "--json") == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["pictures"], report["damaged_lines"]) == (3, 5)

    @pytest.mark.usefixtures("folder")
    def test_a_run_that_did_not_end_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out/run.json").unlink()
        assert lseg("report", "out") == 0
        assert "under way or was killed" in capsys.readouterr().err

    @pytest.mark.usefixtures("folder")
    def test_a_run_that_was_stopped_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("in/worse.jpg").write_text("no picture")
        for number in range(9):
            Image.new("RGB", (8, 8)).save(f"in/z{number}.png")
        assert lseg("segment", "in", "-l", LABELS, "-q", "-o", "out4", "--fail-fast", "-j", "1", "--threads", "1") == 8
        capsys.readouterr()
        assert lseg("report", "out4") == 0
        assert "pictures left: " in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("make", "sentence", "code"),
        [
            (lambda: None, "There is no folder", 2),
            (lambda: Path("out").mkdir(), "not an output folder", 4),
            (lambda: Path("out").write_text("file"), "There is no folder", 2),
        ],
    )
    def test_what_is_no_output_folder_is_refused(
        self, make: Any, sentence: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        monkeypatch.chdir(tmp_path)
        make()
        assert lseg("report", "out") == code
        assert sentence in capsys.readouterr().err

    @pytest.mark.usefixtures("folder")
    def test_damaged_labels_are_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out/labels.json").write_text('{"labels": [{"id": -1}]}')
        assert lseg("report", "out") == 4
        assert "nobody knows what its masks mean" in capsys.readouterr().err

    @pytest.mark.usefixtures("folder")
    def test_a_folder_without_results_yet_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        for name in ("results", "failures"):
            Path(f"out/{name}.jsonl").write_bytes(b"")
        assert lseg("report", "out") == 4
        assert "no results yet" in capsys.readouterr().err

    @pytest.mark.usefixtures("model")
    def test_a_folder_of_failures_alone_has_a_page(self) -> None:
        Path("in").mkdir()
        Path("in/bad.png").write_text("no picture")
        assert lseg("segment", "in", "-l", "sky", "-q") == 4
        assert lseg("report", "out", "-q") == 0
        assert "in/bad.png" in Page().text


def test_labels_that_look_like_formulas_are_text_in_tables(model: Path) -> None:
    assert model.exists()
    draw("in/a.png")
    assert lseg("segment", "in", "-l", r"\=sky,+road,other", "--format", "csv", "-q") == 0
    assert lseg("report", "out", "--csv", "shares.csv", "--html", "none") == 0
    for name in ("shares.csv", "out/results.csv"):
        with Path(name).open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "-"))]
        assert {"'=sky", "'+road"} <= set(cells)
