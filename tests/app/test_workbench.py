"""A picture, labels and how they are looked at -> what is shown; and what is taken away, without any page."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lseg_cli.app.options import AppOptions
from lseg_cli.app.pictures import DISPLAY_PX, Chosen
from lseg_cli.app.view import Look
from lseg_cli.app.workbench import Asked, Workbench
from lseg_cli.config import ModelConfig, TextConfig
from lseg_cli.data.images import open_picture
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import DataError, LsegError
from lseg_export.options import GraphOptions
from tests.app.conftest import COUNT, LABELS, pixels_of
from tests.command_line import lseg


@pytest.fixture(scope="module")
def chosen(bench: Workbench) -> Chosen:
    return bench.library.choose(0)


def test_shares_are_those_of_the_mask(bench: Workbench, chosen: Chosen) -> None:
    shown = bench.show(chosen, Asked(LABELS))
    assert shown.image.shape == (120, 160, 3)
    for id_, chip in enumerate(shown.chips):
        assert chip.share == pytest.approx((shown.ids == id_).mean())
    assert sum(chip.share or 0 for chip in shown.chips) == pytest.approx(1)
    assert all(0 < (chip.confidence or 1) <= 1 for chip in shown.chips)


def test_what_is_shown_is_what_segment_gives(
    bench: Workbench, chosen: Chosen, tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(start)
    shown = bench.show(chosen, Asked(LABELS, min_confidence=0.6, min_margin=0.3))
    thresholds = ("--min-confidence", 0.6, "--min-margin", 0.3)
    assert lseg("segment", chosen.path, "-l", LABELS, "-o", tmp_path / "out", "-q", *thresholds) == 0
    mask = pixels_of(tmp_path / "out" / "masks" / "0.png")
    assert (shown.ids == 255).any()
    assert (shown.ids == mask).mean() > 0.998  # features pass through float16 here


@pytest.mark.parametrize("kind", ["outlines", "one label", "heat map"])
def test_each_way_of_looking_is_another_picture(bench: Workbench, chosen: Chosen, kind: str) -> None:
    look = Look(kind, label=1)  # type: ignore[arg-type]
    masks = bench.show(chosen, Asked(LABELS)).image
    other = bench.show(chosen, Asked(LABELS, look=look)).image
    assert (masks != other).any()


def test_opacity_goes_from_the_picture_to_the_colours(bench: Workbench, chosen: Chosen) -> None:
    picture = bench.picture(chosen).pixels.astype(int)
    distance = [
        np.abs(bench.show(chosen, Asked(LABELS, look=Look(opacity=opacity))).image - picture).mean()
        for opacity in (0.0, 0.5, 1.0)
    ]
    assert distance[0] < distance[1] < distance[2]


def test_the_best_labels_of_a_pixel_begin_with_its_own(bench: Workbench, chosen: Chosen) -> None:
    asked = Asked("sky, building, tree, road, car, water, dog")
    ids = bench.show(chosen, asked).ids
    for row, column in ((0, 0), (60, 80), (119, 159)):
        rows = bench.best_at(chosen, asked, row, column)
        assert len(rows) == 5
        assert rows[0][0] == asked.text.split(", ")[ids[row, column]]
        assert [share for _, share in rows] == sorted((share for _, share in rows), reverse=True)
    assert bench.best_at(chosen, asked, 10_000, -5) == bench.best_at(chosen, asked, 119, 0)


def test_labels_are_scored_without_the_image_encoder(
    bench: Workbench, chosen: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.show(chosen, Asked(LABELS))
    monkeypatch.setattr(bench.models.get("lseg-tiny"), "encode", None)
    bench.show(chosen, Asked("cloud, temple"))


def test_a_large_picture_is_shown_small_and_taken_away_whole(bench: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.fromarray(np.zeros((700, 1400, 3), np.uint8)).save(path)
    session = bench.sessions.get("large")
    session.chosen = Chosen(path, path.name)
    assert bench.show(session.picture, Asked(LABELS)).image.shape == (480, DISPLAY_PX, 3)
    mask, overlay, cut, listed = bench.files(session, Asked(LABELS), cut_out=1)
    assert pixels_of(mask).shape == (700, 1400)
    assert overlay.suffix == ".jpg"
    assert cut.name == "large-building.png"
    assert ((pixels_of(cut)[..., 3] > 127) == (pixels_of(mask) == 1)).mean() > 0.99  # its border is soft
    assert lseg("labels", "check", listed) == 0
    bench.sessions.free("large")
    assert not mask.exists()


@pytest.mark.parametrize("labels", [LABELS, "ade20k"], ids=["few", "many"])
def test_the_mask_is_that_of_segment_to_the_byte(
    bench: Workbench, tmp_path: Path, labels: str, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(start)
    session = bench.sessions.get("mask")
    session.chosen = bench.library.choose(3)
    mask = bench.files(session, Asked(labels), 0)[0]
    assert lseg("segment", "photos/3.jpg", "-l", labels, "-o", tmp_path / "out", "-q") == 0
    assert mask.read_bytes() == (tmp_path / "out" / "masks" / "3.png").read_bytes()


def test_a_broken_picture_is_a_sentence(bench: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        bench.show(Chosen(path, path.name), Asked(LABELS))


def test_every_picture_is_shown_as_it_would_be_segmented(bench: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    deep = np.linspace(1000, 5000, 64 * 96).reshape(64, 96).astype(np.uint16)
    Image.fromarray(deep).save(path)
    shown = bench.show(Chosen(path, path.name), Asked(LABELS, look=Look(opacity=0.0)))
    assert (bench.picture(Chosen(path, path.name)).pixels == np.asarray(open_picture(path).image)).all()
    assert any(notice.startswith("The picture's values: ") for notice in shown.notices)


@pytest.mark.slow
def test_a_text_tower_that_is_missing_is_a_sentence(
    vit_config: ModelConfig,
    exported: Callable[[ModelConfig, GraphOptions], tuple[Path, Path]],
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(start)
    text = TextConfig(kind="open_clip", name="ViT-B-32", pretrained="nowhere", width=16, sha256="0" * 64)
    _, model = exported(vit_config.model_copy(update={"text": text}), GraphOptions())
    made = Workbench(AppOptions(paths=("photos",), engine=EngineChoice(str(model), device="cpu")), tmp_path)
    with pytest.raises(LsegError) as told:
        made.show(made.library.choose(0), Asked("a label that no cache knows"))
    assert "\n" not in str(told.value)
    assert "ViT-B-32" in str(told.value)


def test_a_model_that_was_not_given_is_not_opened(bench: Workbench, chosen: Chosen) -> None:
    with pytest.raises(LsegError, match="is not one of this page's"):
        bench.show(chosen, Asked(LABELS, model="/etc/passwd"))


@pytest.mark.parametrize("out", ["", "..", "../x", "/tmp/x", ".", "photos/../../x"])
def test_results_lie_under_the_start_folder(bench: Workbench, out: str) -> None:
    with pytest.raises(LsegError):
        bench.run_options(Asked(LABELS), out)


def test_results_leave_through_no_link(bench: Workbench, start: Path, tmp_path: Path) -> None:
    (start / "link").symlink_to(tmp_path)
    with pytest.raises(LsegError, match="is not a folder under"):
        bench.run_options(Asked(LABELS), "link/out")


def test_the_folder_is_run_as_segment_does(
    bench: Workbench, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(start)
    bench.begin_run(Asked(LABELS, min_confidence=0.5), "results")
    with pytest.raises(LsegError, match="A run over the folder is under way"):
        bench.begin_run(Asked(LABELS), "other")
    while bench.job.is_running:
        time.sleep(0.02)
    assert bench.job.progress.is_over
    assert bench.job.progress.done == bench.job.progress.total == COUNT
    assert "results/masks" in bench.job.progress.text
    assert lseg("segment", "photos", "-l", LABELS, "-o", tmp_path / "out", "-q", "--min-confidence", 0.5) == 0
    for number in range(COUNT):
        ours = (start / "results" / "masks" / f"{number}.png").read_bytes()
        assert ours == (tmp_path / "out" / "masks" / f"{number}.png").read_bytes()


def test_a_run_that_cannot_begin_says_why(bench: Workbench, start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(start)
    (start / "file").write_text("x", encoding="utf-8")
    bench.begin_run(Asked(LABELS), "file")
    bench.job.stop(wait=True)
    assert bench.job.progress.is_over
    assert "is a file" in bench.job.progress.text
