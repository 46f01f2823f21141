"""`lseg segment 0` and `rtsp://…`: the newest picture again and again, each named by the time at which it came."""

import json
import re
import socket
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.data import live
from lseg_cli.data.frame_pick import FramePick
from lseg_cli.data.live import LiveSource, is_live
from lseg_cli.errors import LsegError
from tests.command_line import lseg
from tests.film_maker import frame_pixels, make_film, number_of


class Camera:
    """Gives a numbered picture every 20 ms, so many of them; as `cv2.VideoCapture`."""

    most = 10**6
    is_there = True
    is_free = False

    def __init__(self, number: int) -> None:
        assert number == 0
        self.count = 0

    def isOpened(self) -> bool:
        return self.is_there

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        time.sleep(0.02)
        self.count += 1
        if self.count > self.most:
            return False, None
        return True, np.ascontiguousarray(frame_pixels(min(self.count, 200))[..., ::-1])

    def release(self) -> None:
        Camera.is_free = True


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[Camera]:
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    for name, value in (("most", 10**6), ("is_there", True), ("is_free", False)):
        monkeypatch.setattr(Camera, name, value)
    return Camera


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out/results.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_camera_is_segmented_for_so_many_seconds_and_goes_on_another_time(
    model: Path, camera: type[Camera], capsys: pytest.CaptureFixture[str]
) -> None:
    assert model.exists()
    assert lseg("segment", "0", "-l", "sky, other", "--end", "2", "--save", "overlay") == 0
    first = lines()
    assert first
    assert camera.is_free
    assert all(
        re.fullmatch(r"masks/camera-0/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.png", line["mask"]) for line in first
    )
    assert [line["time_s"] for line in first] == sorted(line["time_s"] for line in first)
    assert abs(first[0]["time_s"] - time.time()) < 600
    assert all((Path("out") / line["files"]["overlay"]).exists() for line in first)
    assert lseg("segment", "0", "-l", "sky, other", "--end", "1") == 0
    assert lines()[: len(first)] == first
    assert len(lines()) > len(first)
    assert "pictures segmented" in capsys.readouterr().err


def test_only_the_newest_is_taken_and_a_rate_is_kept(camera: type[Camera]) -> None:
    del camera
    taken: list[tuple[float, int]] = []
    for frame in LiveSource("0").frames(FramePick(fps=10, end_s=1.5)):
        if frame is not None:
            taken.append((time.monotonic(), number_of(np.asarray(frame.film.read(0)))))
            time.sleep(0.05)  # busy
    assert 1 <= len(taken) <= 16
    for before, after in pairwise(taken):
        assert after[0] - before[0] > 0.05
        assert after[1] > before[1]


def test_the_last_picture_ends_the_run(model: Path, camera: type[Camera]) -> None:
    assert model.exists()
    camera.most = 3
    assert lseg("segment", "0", "-l", "sky, other") == 0
    assert 1 <= len(lines()) <= 3


@pytest.mark.parametrize("is_there", [True, False])
def test_a_camera_that_gives_nothing_is_told(
    is_there: bool, model: Path, camera: type[Camera], capsys: pytest.CaptureFixture[str]
) -> None:
    assert model.exists()
    camera.most, camera.is_there = 0, is_there
    assert lseg("segment", "0", "-l", "sky, other") == 4
    expected = "0 gives no picture; check the camera" if is_there else "There is no camera 0 that can be opened."
    assert expected in capsys.readouterr().err


def test_a_stream_is_read(model: Path, tmp_path: Path) -> None:
    """Over TCP, for RTSP needs a server; what reads it is the same."""
    assert model.exists()
    film = make_film(tmp_path / "a.ts", [number / 25 for number in range(50)])
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]

    def serve() -> None:
        client, _ = server.accept()
        with client, server:
            client.sendall(film.read_bytes())

    threading.Thread(target=serve, daemon=True).start()
    assert lseg("segment", f"tcp://127.0.0.1:{port}", "-l", "sky, other") == 0
    assert lines()[0]["mask"].startswith("masks/127.0.0.1/")
    assert lines()[0]["height_px"] == 64


def test_a_stream_that_is_not_there_is_told(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert model.exists()
    pytest.importorskip("av")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert lseg("segment", f"rtsp://127.0.0.1:{port}/a", "-l", "sky, other") == 4
    assert f"rtsp://127.0.0.1:{port}/a cannot be opened: Connection refused" in capsys.readouterr().err


def test_a_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LsegError, match="put user:password into LSEG_STREAM_LOGIN"):
        LiveSource("rtsp://me:secret@host/a")
    monkeypatch.setenv("LSEG_STREAM_LOGIN", "me:a/b@c")
    assert live._with_login("rtsp://host:554/a") == "rtsp://me:a%2Fb%40c@host:554/a"


def test_what_is_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_live("0")
    assert is_live("rtsp://host/stream")
    assert not is_live("drive.mp4")
    assert not is_live("s3://bucket/in")
    (tmp_path / "0").mkdir()
    assert not is_live("0")


def test_a_camera_is_an_input_of_its_own(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert model.exists()
    assert lseg("segment", "0", "in", "-l", "sky") == 2
    assert "is an input of its own" in capsys.readouterr().err
