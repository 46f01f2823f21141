"""`lseg segment drive.mp4`: a mask of every frame, resumed within the film, and the overlays as a film."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.films import Film
from lseg_cli.data.formats import is_film
from lseg_cli.data.frame_pick import ALL_FRAMES
from tests.command_line import lseg
from tests.film_maker import HEIGHT_PX, WIDTH_PX, frame_pixels, make_film

LABELS = "person, sky, other"
TIMES = tuple(number / 10 for number in range(14))


def segment(*arguments: str, code: int = 0) -> None:
    assert lseg("segment", *arguments, "-l", LABELS) == code


def lines(name: str = "out/results.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]


def masks(out: str = "out") -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in Path(out).rglob("*.png")}


def frames_of(name: str) -> list[NDArray[np.uint8]]:
    return [np.asarray(each.film.read(each.index)) for each in Film(Path(name)).frames(ALL_FRAMES)]


@pytest.fixture(autouse=True)
def drive(model: Path) -> None:
    """A film in the current folder, which `model` has made."""
    assert model.exists()
    make_film(Path("drive.mp4"), TIMES, sound="aac")


def test_every_frame_gets_a_mask_named_by_its_time() -> None:
    segment("drive.mp4")
    expected = [f"masks/drive.mp4/00-00-{time:06.3f}.png" for time in TIMES]
    assert sorted(masks()) == expected
    assert [line["mask"] for line in lines()] == expected
    assert [line["time_s"] for line in lines()] == list(TIMES)
    assert lines()[3]["source"] == "drive.mp4#t=0.3"
    assert not Path("out/overlay-films").exists()
    assert lseg("report", "out") == 0
    assert "Shown by their masks" not in Path("out/report.html").read_text(encoding="utf-8")


def test_a_frame_gets_the_mask_that_it_gets_as_a_picture() -> None:
    (last,) = Film(Path("drive.mp4")).frames(ALL_FRAMES)[-1:]
    Path("pictures").mkdir()
    last.film.read(last.index).save("pictures/last.png")
    segment("drive.mp4", "--start", "1.3")
    segment("pictures", "-o", "again")
    assert list(masks().values()) == list(masks("again").values())
    assert list(masks()) == ["masks/drive.mp4/00-00-01.300.png"]


def test_a_run_that_was_killed_goes_on_within_the_film(capsys: pytest.CaptureFixture[str]) -> None:
    segment("drive.mp4")
    whole = masks()
    journal = Path("out/results.jsonl")
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:9]) + b'{"torn')
    (Path("out") / "masks/drive.mp4/00-00-01.300.png").write_bytes(b"half")
    (Path("out") / "masks/drive.mp4/00-00-01.200.png").unlink()
    passed: list[int] = []
    decode = Film._decode

    def noted(film: Film, index: int) -> Any:
        passed.append(index)
        return decode(film, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Film, "_decode", noted)
        capsys.readouterr()
        segment("drive.mp4")
    assert passed == [9, 10, 11, 12, 13]
    assert "9 of 14 pictures were done before." in capsys.readouterr().err
    assert masks() == whole
    assert len(lines()) == 14


def test_more_frames_are_added_and_a_changed_film_is_done_again(capsys: pytest.CaptureFixture[str]) -> None:
    segment("drive.mp4", "--every", "5")
    assert sorted(line["time_s"] for line in lines()) == [0.0, 0.5, 1.0]
    segment("drive.mp4", "--fps", "5", "--end", "1")
    assert "1 of 5 pictures were done before." in capsys.readouterr().err
    make_film(Path("drive.mp4"), [0.0, 0.5])
    segment("drive.mp4")
    assert "done before" not in capsys.readouterr().err.rpartition("written again")[2]
    assert {line["time_s"] for line in lines() if line["file"]["size_bytes"] == Path("drive.mp4").stat().st_size} == {
        0.0,
        0.5,
    }


def test_overlays_are_a_film_of_the_same_rate_with_its_sound() -> None:
    segment("drive.mp4", "--save", "overlay")
    film, original = Film(Path("out/overlay-films/drive.mp4")), Film(Path("drive.mp4"))
    shown = film.frames(ALL_FRAMES)
    assert [frame.time_us for frame in shown] == [frame.time_us for frame in original.frames(ALL_FRAMES)]
    for frame, line in zip(shown, lines(), strict=True):
        with Image.open(Path("out") / line["files"]["overlay"]) as overlay:
            pixels = np.asarray(film.read(frame.index)).astype(int)
            assert np.abs(pixels[: overlay.height, : overlay.width] - np.asarray(overlay)).mean() < 6
    av = pytest.importorskip("av")
    with av.open("out/overlay-films/drive.mp4") as container, av.open("drive.mp4") as source:
        (sound,), (heard,) = container.streams.audio, source.streams.audio
        assert sound.codec_context.name == "aac"
        assert float(sound.duration * sound.time_base) == pytest.approx(
            float(heard.duration * heard.time_base), abs=0.1
        )


def test_the_film_of_overlays_follows_what_is_picked_and_is_not_made_twice() -> None:
    segment("drive.mp4", "--save", "overlay", "--start", "0.4")
    path = Path("out/overlay-films/drive.mp4")
    assert [frame.time_us for frame in Film(path).frames(ALL_FRAMES)] == [100_000 * number for number in range(10)]
    made = path.stat().st_mtime_ns
    segment("drive.mp4", "--save", "overlay", "--start", "0.4")
    assert path.stat().st_mtime_ns == made
    segment("drive.mp4", "--save", "overlay")
    assert len(Film(path).frames(ALL_FRAMES)) == 14


@pytest.mark.parametrize(("sound", "name"), [("pcm_s16le", "old.mov"), ("mp2", "old.mkv"), ("", "silent.mkv")])
def test_sound_that_mp4_does_not_hold_is_encoded_anew(sound: str, name: str) -> None:
    make_film(Path(name), TIMES, sound=sound)
    segment(name, "--save", "overlay", "--every", "6")
    av = pytest.importorskip("av")
    with av.open(f"out/overlay-films/{name}.mp4") as container:
        assert container.streams.video[0].frames == 3
        assert [stream.codec_context.name for stream in container.streams.audio] == (["aac"] if sound else [])
        if sound:
            decoded = [frame.samples for frame in container.decode(container.streams.audio[0])]
            assert sum(decoded) / 44100 == pytest.approx(1.3, abs=0.15)


def test_a_film_of_somebody_else_is_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    segment("drive.mp4")
    mine = Path("out/overlay-films/drive.mp4")
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    segment("drive.mp4", "--save", "overlay", code=2)
    assert "drive.mp4 is not of an earlier run" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"


def test_overwriting_deletes_the_film_of_overlays() -> None:
    segment("drive.mp4", "--save", "overlay", "--every", "7")
    segment("drive.mp4", "--overwrite", "--every", "7")
    assert not Path("out/overlay-films/drive.mp4").exists()
    assert len(lines()) == 2


def test_a_broken_film_keeps_what_can_be_read_and_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    make_film(Path("whole.mp4"), [number / 10 for number in range(60)], options={"movflags": "faststart"})
    data = Path("whole.mp4").read_bytes()
    Path("part.mp4").write_bytes(data[: len(data) // 2])
    Path("none.mp4").write_bytes(b"no film")
    Image.fromarray(frame_pixels(3)).save("photo.png")
    segment("part.mp4", "none.mp4", "photo.png", "--every", "5", code=3)
    assert len(lines()) >= 4
    failures = lines("out/failures.jsonl")
    assert [failure["stage"] for failure in failures] == ["read", "read"]
    assert "is broken off: it can be read up to" in failures[0]["error"]
    assert "none.mp4 is not a film that can be read" in failures[1]["error"]
    assert "masks/photo.png" in masks()


def test_films_in_folders_are_passed_over_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Path("drive.mp4").rename("in/drive.mp4")
    segment("in", code=4)
    assert "1 file was passed over: 1 .mp4. Name films themselves" in capsys.readouterr().err
    segment("in/*.mp4", "--every", "7")
    assert len(lines()) == 2


def test_frames_are_embedded_and_labelled_anew() -> None:
    assert lseg("embed", "drive.mp4", "--every", "7", "-o", "feats") == 0
    assert lseg("relabel", "feats", "-l", LABELS, "--save", "overlay", "-o", "again") == 0
    segment("drive.mp4", "--every", "7")
    assert {name: np.asarray(Image.open(f"again/{name}")).tolist() for name in masks("again")} == {
        name: np.asarray(Image.open(f"out/{name}")).tolist() for name in masks()
    }
    with Image.open("again/overlays/drive.mp4/00-00-00.700.jpg") as overlay:
        assert overlay.height > HEIGHT_PX
        assert overlay.width >= WIDTH_PX


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--fps", "2", "--every", "3"], "--fps and --every both say which frames are taken"),
        (["--start", "1:00", "--end", "30"], "--end 30 is not after --start 60"),
        (["--start", "1:75"], "'1:75' is not a valid time of a film"),
        (["--end", "soon"], "'soon' is not a valid time of a film"),
        (["--ray", "local"], "omit --ray, or take --shard"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    segment("drive.mp4", *options, code=2)
    assert sentence in capsys.readouterr().err
    assert not Path("out").exists()


def test_shares_of_a_film_are_put_together() -> None:
    segment("drive.mp4", "--shard", "1/2")
    segment("drive.mp4", "--shard", "2/2")
    segment("drive.mp4", "--save", "overlay")
    assert len(lines()) == 14
    assert len(Film(Path("out/overlay-films/drive.mp4")).frames(ALL_FRAMES)) == 14


def test_without_pyav_the_exit_code_is_that_of_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    segment("drive.mp4", code=6)
    assert "pip install 'lseg-cli[film]'" in capsys.readouterr().err
    assert is_film("drive.mp4")
