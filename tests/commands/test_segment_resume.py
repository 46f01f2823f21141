"""A run goes on where another stopped, and nothing that was there is lost."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.images import Picture, open_picture
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.results import folder
from lseg_cli.runs import pictures
from tests.command_line import lseg

LABELS = "person, sky, other"

pytestmark = pytest.mark.usefixtures("model")


def segment(*arguments: str, labels: str = LABELS) -> int:
    return lseg("segment", *arguments, "-l", labels)


def draw(*names: str, seed: int = 0) -> None:
    """Pictures of noise."""
    for number, name in enumerate(names):
        pixels = np.random.default_rng([seed, number]).integers(0, 256, (32, 48, 3), np.uint8)
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(name)


def lines(name: str = "out/results.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


def report(name: str = "out/run.json") -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Path(name).read_text())
    return data


def masks(folder: str = "out") -> dict[str, NDArray[np.uint8]]:
    found = {}
    for path in sorted(Path(folder, "masks").rglob("*.png")):
        with Image.open(path) as mask:
            found[path.relative_to(folder).as_posix()] = np.asarray(mask)
    return found


def files(folder: str = "out") -> list[str]:
    paths = (path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
    return sorted(path for path in paths if not path.startswith(".lock"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pictures that were read."""
    names: list[str] = []

    def noted(path: Path, *options: Any) -> Picture:
        names.append(path.name)
        return open_picture(path, *options)

    monkeypatch.setattr(pictures, "read_picture", noted)
    return names


class TestResuming:
    def test_what_is_done_is_not_done_again(self, read: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        draw("in/a.png", "in/b.png")
        assert segment("in") == 0
        draw("in/c.png")
        read.clear()
        assert segment("in") == 0
        assert read == ["c.png"]
        assert [line["mask"] for line in lines()] == ["masks/a.png", "masks/b.png", "masks/c.png"]
        assert "2 of 3 pictures were done before." in capsys.readouterr().err
        assert report()["counts"] == {"found": 3, "done": 3, "failed": 0, "done_before": 2}

    def test_a_finished_run_has_nothing_to_do(self, read: list[str]) -> None:
        draw("in/a.png")
        assert segment("in") == segment("in", "-q") == segment("./in/a.png") == 0  # the same picture, said otherwise
        assert read == ["a.png"]

    def test_an_overlay_that_is_added_is_drawn_from_the_mask(self, monkeypatch: pytest.MonkeyPatch) -> None:
        draw("in/a.png", "in/b.png")
        assert segment("in", "--save", "overlay", "--format", "npy", "-o", "whole") == 0
        assert segment("in") == 0
        before = {name: Path("out", name).stat().st_mtime_ns for name in masks()}
        (first, second) = lines()

        def refuse(*_arguments: object) -> None:
            pytest.fail("The network ran.")

        monkeypatch.setattr(Segmenter, "infer", refuse)
        assert segment("in", "--save", "overlay", "--format", "npy,coco-panoptic") == 0
        assert {name: Path("out", name).stat().st_mtime_ns for name in masks()} == before
        assert not Path("out/previous-1").exists()
        for name in ("overlays/a.jpg", "overlays/b.jpg", "npy/a.npy", "npy/b.npy"):
            assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()
        again = lines()
        for old, new in zip((first, second), again, strict=True):
            assert {key: new[key] for key in ("share", "ignored", "mean_confidence", "mask")} == {
                key: old[key] for key in ("share", "ignored", "mean_confidence", "mask")
            }
            assert set(new["files"]) == {"overlay", "npy", "coco-panoptic", "coco-panoptic-segments"}
        assert segment("in", "--save", "overlay") == segment("in") == 0
        assert lines() == again

    def test_more_labels_of_every_pixel_are_made_anew(self, read: list[str]) -> None:
        draw("in/a.png", "in/b.png")
        assert segment("in", "--top-k", "2") == 0
        before = Path("out/masks/a.png").read_bytes()
        Path("out/masks/a.png").touch()
        assert segment("in", "--top-k", "3", "--format", "npy") == 0
        for name in ("a", "b"):
            with np.load(f"out/topk/{name}.npz") as best:
                assert best["ids"].shape == (3, 32, 48)
        assert Path("out/masks/a.png").read_bytes() == before
        assert segment("in", "--save", "conf") == 0  # the labels that are there stay
        read.clear()
        assert segment("in", "--top-k", "3") == 0
        assert read == []

    def test_a_changed_picture_is_done_again(self, read: list[str]) -> None:
        draw("in/a.png", "in/b.png")
        assert segment("in") == 0
        draw("in/b.png", seed=1)
        assert segment("in") == 0
        assert sorted(read) == ["a.png", "b.png", "b.png"]
        assert [line["source"] for line in lines()] == ["in/a.png", "in/b.png"]

    def test_a_mask_that_is_gone_is_made_again(self) -> None:
        draw("in/a.png", "in/b.png")
        assert segment("in") == 0
        Path("out/masks/a.png").unlink()
        assert segment("in") == 0
        assert sorted(masks()) == ["masks/a.png", "masks/b.png"]

    def test_failures_are_tried_again(self) -> None:
        draw("in/a.png")
        Path("in/b.png").write_text("not yet")
        assert segment("in") == 3
        assert len(lines("out/failures.jsonl")) == 1
        draw("in/b.png")
        assert segment("in") == 0
        assert lines("out/failures.jsonl") == []

    def test_a_new_neighbour_changes_a_name_and_nothing_stays_behind(self) -> None:
        draw("in/a.png", "in/c.png")
        assert segment("in") == 0
        draw("in/a.bmp")
        assert segment("in") == 0
        assert sorted(masks()) == ["masks/a.bmp.png", "masks/a.png.png", "masks/c.png"]
        assert len(lines()) == 3

    def test_a_torn_line_and_half_written_files_are_mended(self, read: list[str]) -> None:
        draw("in/a.png", "in/b.png", "in/sub/c.png")
        assert segment("in", "--save", "overlay") == 0
        whole = masks()
        journal = Path("out/results.jsonl")
        journal.write_bytes(journal.read_bytes()[:-20])
        for name in ("out/masks/sub/.12-34.tmp", "out/overlays/.12-34.tmp", "out/.12-34.tmp"):
            Path(name).write_text("half")
        read.clear()
        assert segment("in", "--save", "overlay") == 0
        assert read == ["c.png"]
        assert len(lines()) == 3
        assert not [name for name in files() if name.endswith(".tmp")]
        assert all(np.array_equal(mask, whole[name]) for name, mask in masks().items())

    @pytest.mark.parametrize(
        ("arguments", "labels", "said"),
        [
            ((), "sky, person, other", "(labels differ)"),
            (("--imgsz", "64"), LABELS, "(options differ)"),
            (("--template", "a {}"), LABELS, "(text encoder differ)"),
            (("--no-resume",), LABELS, "are not resumed"),
        ],
    )
    def test_other_results_are_set_aside(
        self, arguments: tuple[str, ...], labels: str, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        draw("in/a.png", "in/b.png")
        assert segment("in") == 0
        before = files()
        assert segment("in/a.png", *arguments, labels=labels) == 0
        error = " ".join(capsys.readouterr().err.split())
        assert f"The results in out {said}" in error.replace("are of another run ", "")
        assert "they are in out/previous-1 now." in error
        assert files("out/previous-1") == before
        assert sorted(masks()) == ["masks/a.png"]
        assert segment(".", "--no-resume", labels=labels) == 0
        assert sorted(masks()) == ["masks/in/a.png", "masks/in/b.png"]
        assert sorted(masks("out/previous-2")) == ["masks/a.png"]

    def test_setting_aside_that_was_killed_goes_on(self) -> None:
        draw("in/a.png")
        assert segment("in") == 0
        before = files()
        Path("out/previous-1").mkdir()
        shutil.move("out/masks", "out/previous-1/masks")
        shutil.move("out/results.jsonl", "out/previous-1/results.jsonl")
        assert segment("in", labels="sky, other") == 0
        assert files("out/previous-1") == before
        assert not Path("out/previous-2").exists()

    def test_overwriting_leaves_nothing_of_before(self) -> None:
        draw("in/a.png", "in/b.png")
        assert segment("in", "--save", "overlay,conf") == 0
        assert segment("in/a.png", "--overwrite", labels="sky, other") == 0
        assert files() == ["failures.jsonl", "labels.json", "masks/a.png", "results.jsonl", "run.json"]

    def test_a_mask_of_another_picture_is_never_replaced(self, capsys: pytest.CaptureFixture[str]) -> None:
        draw("x/a.png", "y/a.png")
        assert segment("x") == 0
        whole = masks()
        assert segment("y") == 2
        assert "masks/a.png is the mask of" in capsys.readouterr().err
        assert np.array_equal(masks()["masks/a.png"], whole["masks/a.png"])
        assert segment("x", "y") == 0
        assert sorted(masks()) == ["masks/x/a.png", "masks/y/a.png"]

    @pytest.mark.parametrize("theirs", ["labels.json", "masks/a.png"])
    def test_what_is_not_ours_is_never_replaced(self, theirs: str, capsys: pytest.CaptureFixture[str]) -> None:
        draw("in/a.png")
        Path("out/masks").mkdir(parents=True)
        Path("out", theirs).write_text("[1]")
        assert segment("in") == 2
        assert "not of an earlier run; choose another folder with -o." in capsys.readouterr().err
        assert Path("out", theirs).read_text() == "[1]"


class TestStopping:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_signal_finishes_what_is_in_flight(
        self, number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        names = [f"in/{number:02}.png" for number in range(40)]
        draw(*names)

        def signalled(path: Path, *options: Any) -> Picture:
            if path.name == "05.png":
                os.kill(os.getpid(), number)
            return open_picture(path, *options)

        monkeypatch.setattr(pictures, "read_picture", signalled)
        assert segment("in", "-j", "2") == code
        assert "left; run the same command again to go on." in capsys.readouterr().err
        done = [line["mask"] for line in lines()]
        assert 5 <= len(done) < 40
        assert sorted(masks()) == done
        assert report()["exit_code"] == code
        monkeypatch.setattr(pictures, "read_picture", open_picture)
        assert segment("in") == 0
        assert len(lines()) == len(masks()) == 40

    def test_a_full_disk_stops_and_a_rerun_goes_on(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        draw(*[f"in/{number:02}.png" for number in range(20)])
        room = iter(range(100_000))

        def full(path: Path, line: bytes) -> None:
            if next(room) > 4:
                with path.open("ab") as file:
                    file.write(line[:9])
                raise OSError(28, "No space left on device")
            write(path, line)

        write = folder.append
        monkeypatch.setattr(folder, "append", full)
        assert segment("in") == 6
        assert "No space left on device); free some space and run it again" in capsys.readouterr().err
        assert report()["exit_code"] == 6
        monkeypatch.setattr(folder, "append", write)
        assert segment("in") == 0
        assert len(lines()) == len(masks()) == 20
        assert report()["counts"]["done_before"] == 5

    def test_too_many_failures(self, capsys: pytest.CaptureFixture[str]) -> None:
        draw("in/00.png")
        for number in range(1, 40):
            Path(f"in/{number:02}.png").write_text("no picture")
        assert segment("in", "--max-failures", "50%") == 8
        assert "more than the 20 allowed" in capsys.readouterr().err
        assert segment("in", "--max-failures", "39") == 3
        assert segment("in", "--fail-fast", "-j", "1") == 8
        assert len(lines("out/failures.jsonl")) < 39
        assert segment("in", "--ignore-failures") == 0
        assert report()["counts"] == {"found": 40, "done": 1, "failed": 39, "done_before": 1}

    @pytest.mark.parametrize("limit", ["few", "-1", "101%", "1.5"])
    def test_a_limit_that_is_none(self, limit: str, capsys: pytest.CaptureFixture[str]) -> None:
        draw("a.png")
        assert segment("a.png", "--max-failures", limit) == 2
        assert "is not a valid limit; give a count (5) or a share (2%)." in capsys.readouterr().err


class TestSharing:
    def test_shares_make_what_one_run_makes(self) -> None:
        draw(*[f"in/{number}.png" for number in range(9)])
        assert segment("in", "-o", "whole") == 0
        for number in (3, 1, 2):
            assert segment("in", "--shard", f"{number}/3") == 0
        assert lines("out/results.jsonl") == []
        assert sum(report(f"out/run-{number}-of-3.json")["counts"]["found"] for number in (1, 2, 3)) == 9
        one, other = masks("whole"), masks()
        assert sorted(one) == sorted(other)
        assert all(np.array_equal(one[name], other[name]) for name in one)
        assert segment("in") == 0  # puts them together
        assert len(lines()) == 9
        assert report()["counts"]["done_before"] == 9
        assert files() == sorted([*masks(), "failures.jsonl", "labels.json", "results.jsonl", "run.json"])

    def test_a_share_goes_on(self, read: list[str]) -> None:
        draw(*[f"in/{number}.png" for number in range(9)])
        assert segment("in", "--shard", "1/2") == 0
        assert segment("in", "--shard", "1/2") == 0
        assert segment("in", "--shard", "2/2") == 0
        assert sorted(read) == [f"{number}.png" for number in range(9)]

    def test_two_processes_do_not_write_to_one_folder(self, capsys: pytest.CaptureFixture[str]) -> None:
        draw("in/a.png")
        Path("out").mkdir()
        with FileLock("out/.lock-1-of-2"):
            assert segment("in") == 2
            assert "Another process is writing to out; wait for it" in capsys.readouterr().err
            assert segment("in", "--shard", "1/2") == 2
            assert segment("in", "--shard", "2/2") == 0
        with FileLock("out/.lock"):
            assert segment("in") == 2
        Path("out/.lock").touch()  # what a killed process leaves
        assert segment("in") == 0

    @pytest.mark.parametrize("share", ["0/2", "3/2", "2", "a/b"])
    def test_a_share_that_is_none(self, share: str, capsys: pytest.CaptureFixture[str]) -> None:
        draw("a.png")
        assert segment("a.png", "--shard", share) == 2
        assert "is not a valid share; give i/n" in capsys.readouterr().err
