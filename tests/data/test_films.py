"""Films give their frames, at their times, whatever the container, the rate or the damage."""

import math
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lseg_cli.data import film_decoding
from lseg_cli.data.decoding import PictureError
from lseg_cli.data.film_frame import FilmFrame, film_of
from lseg_cli.data.films import Film
from lseg_cli.data.formats import is_film
from lseg_cli.data.frame_pick import ALL_FRAMES, FramePick
from lseg_cli.errors import MissingError
from tests.film_maker import HEIGHT_PX, WIDTH_PX, frame_pixels, make_film, number_of, turned

EVEN = tuple(number / 10 for number in range(30))
UNEVEN = (0.0, 0.04, 0.5, 0.54, 0.58, 1.7, 2.0, 2.001, 3.5)


def read(frame: FilmFrame) -> int:
    return number_of(np.asarray(frame.film.read(frame.index)))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, ten frames a second."""
    return make_film(tmp_path_factory.mktemp("film") / "drive.mp4", EVEN)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mov", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"),
     ("a.ts", "libx264"), ("a.mpg", "mpeg2video")],
)  # fmt: skip
def test_every_container_gives_all_frames_at_their_times(name: str, codec: str, tmp_path: Path) -> None:
    times = [number / 25 for number in range(20)]
    found = Film(make_film(tmp_path / name, times, codec=codec)).frames(ALL_FRAMES)
    assert is_film(name)
    assert [frame.time_us / 1e6 for frame in found] == pytest.approx(times, abs=0.002)
    assert [read(frame) for frame in found] == list(range(20))


def test_an_uneven_rate_is_kept(tmp_path: Path) -> None:
    found = Film(make_film(tmp_path / "a.mp4", UNEVEN)).frames(ALL_FRAMES)
    assert [frame.time_us / 1e6 for frame in found] == pytest.approx(UNEVEN, abs=0.0005)
    assert [read(frame) for frame in found] == list(range(len(UNEVEN)))
    assert [frame.clock for frame in found][-2:] == ["00-00-02.001", "00-00-03.500"]


@pytest.mark.parametrize(
    ("pick", "expected"),
    [
        (FramePick(every=7), [0, 7, 14, 21, 28]),
        (FramePick(fps=2), [0, 5, 10, 15, 20, 25]),
        (FramePick(fps=100), list(range(30))),
        (FramePick(start_s=1.0, end_s=1.3), [10, 11, 12]),
        (FramePick(fps=5, start_s=2.5), [25, 27, 29]),
        (FramePick(start_s=100), []),
    ],
)
def test_frames_are_picked(pick: FramePick, expected: list[int], film: Path) -> None:
    found = Film(film).frames(pick)
    assert [frame.index for frame in found] == expected
    assert [read(frame) for frame in found] == expected


@given(
    st.lists(st.floats(0.001, 2), min_size=1, max_size=40),
    st.floats(0.1, 50),
    st.floats(0, 5),
)
def test_what_a_player_would_show_is_picked(gaps: list[float], fps: float, start_s: float) -> None:
    times = [0.0, *np.cumsum(gaps).tolist()]
    found = FramePick(fps=fps, start_s=start_s).indices(times)
    assert found == sorted(set(found))
    assert all(times[index] >= start_s - 1e-5 for index in found)
    inside = [index for index, time in enumerate(times) if time >= start_s - 1e-6]
    if inside:
        first = times[inside[0]]
        for number in range(math.floor((times[-1] - first) * fps)):
            moment = first + number / fps + 1e-6
            assert max(index for index, time in enumerate(times) if time <= moment) in found


def test_frames_in_any_order_are_the_same(film: Path) -> None:
    found = Film(film).frames(ALL_FRAMES)
    for frame in random.Random(0).sample(found, len(found)):
        assert read(frame) == frame.index


def test_threads_get_announced_frames_in_order(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Film(film).frames(ALL_FRAMES)
    decoded: list[int] = []
    decode = Film._decode

    def noted(film: Film, index: int) -> Any:
        decoded.append(index)
        return decode(film, index)

    monkeypatch.setattr(Film, "_decode", noted)
    for frame in found:
        frame.film.expect(frame.index)
    mixed = random.Random(1).sample(found[:8], 8)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, mixed)) == [frame.index for frame in mixed]
    assert decoded == list(range(8))


def test_a_run_that_goes_on_does_not_decode_the_beginning(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Film(film).frames(FramePick(start_s=2.7))
    decode, passed = film_decoding._decoded, []

    def counted(container: Any, stream: Any) -> Any:
        for frame in decode(container, stream):
            passed.append(frame.pts)
            yield frame

    monkeypatch.setattr(film_decoding, "_decoded", counted)
    assert [read(frame) for frame in late] == [27, 28, 29]
    assert len(passed) < 12  # a key frame every five


def test_a_telephones_film_stands_upright(tmp_path: Path) -> None:
    found = Film(turned(make_film(tmp_path / "phone.mp4", EVEN[:3]))).frames(ALL_FRAMES)
    assert found[0].film.size == (WIDTH_PX, HEIGHT_PX)
    upright = np.asarray(found[2].film.read(2))
    assert upright.shape == (WIDTH_PX, HEIGHT_PX, 3)
    expected = np.rot90(frame_pixels(2), -1)  # clockwise
    assert np.abs(upright.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_film_that_is_broken_off_gives_what_is_there(share: float, tmp_path: Path) -> None:
    whole = make_film(tmp_path / "whole.mp4", [number / 10 for number in range(60)], options={"movflags": "faststart"})
    data = whole.read_bytes()
    path = tmp_path / "part.mp4"
    path.write_bytes(data[: int(len(data) * share)])
    *sound, end = Film(path).frames(ALL_FRAMES)
    assert 60 * share * 0.6 < len(sound) < 60
    assert sum(_is_read(frame) for frame in sound) >= len(sound) - 4
    with pytest.raises(PictureError, match=r"part\.mp4 is broken off: it can be read up to \d\.\d of 5\.9 seconds"):
        end.film.read(end.index)


def test_damaged_frames_cost_themselves_alone(tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.mkv", EVEN)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    good = [frame for frame in Film(path).frames(ALL_FRAMES) if _is_read(frame)]
    assert 15 <= len(good) <= 30


def _is_read(frame: FilmFrame) -> bool:
    try:
        return read(frame) >= 0
    except PictureError:
        return False


@pytest.mark.parametrize("content", [b"", b"no film at all" * 100, b"\0\0\0\x18ftypmp42" + bytes(500)])
def test_what_is_no_film_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=r"a\.mp4 is not a film that can be read"):
        Film(path).frames(ALL_FRAMES)


def test_a_playlist_opens_no_other_file(tmp_path: Path, film: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_text(f"ffconcat version 1.0\nfile {film}\n")
    with pytest.raises(PictureError):
        Film(path).frames(ALL_FRAMES)


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(PictureError, match="holds no moving pictures"):
        Film(tmp_path / "a.mp4").frames(ALL_FRAMES)


def test_without_pyav_the_command_that_installs_it_is_named(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingError, match=r"pip install 'lseg-cli\[film\]'"):
        Film(film).frames(ALL_FRAMES)


def test_a_frame_is_named_by_its_film_and_its_second(film: Path) -> None:
    frame = Film(film).frames(ALL_FRAMES)[3]
    assert str(frame) == f"{film}#t=0.3"
    assert frame.name == "drive.mp4#t=0.3"
    assert film_of(str(frame)) == str(film)
    assert film_of("in/a#t=b.png") == "in/a#t=b.png"
    assert FilmFrame(frame.film, 0, 3_723_400_000).clock == "01-02-03.400"
