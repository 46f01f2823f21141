"""`--watch`: pictures are done as they arrive, until the run is interrupted."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lseg_cli.errors import LsegError
from lseg_cli.runs.options import SegmentOptions
from lseg_cli.runs.watching import Watch
from tests.command_line import lseg
from tests.film_maker import frame_pixels


def save(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame_pixels(number)).save(path)
    return path


def options(folder: Path) -> SegmentOptions:
    return SegmentOptions(inputs=(str(folder),), labels="sky", overwrite=True)


def looks(most: int) -> Callable[[], bool]:
    """Stops after being asked so often."""
    left = iter(range(most))
    return lambda: next(left, None) is None


def test_only_what_is_settled_is_done(tmp_path: Path) -> None:
    watch = Watch(options(save(tmp_path / "in" / "a.png").parent), look_s=0)
    first = watch.wait(looks(10))
    assert first is not None
    assert (first.unsettled, first.overwrite) == ((), True)
    assert watch.wait(looks(5)) is None  # nothing new
    growing = tmp_path / "in" / "b.png"
    asked = 0

    def grow() -> bool:
        nonlocal asked
        asked += 1
        if asked < 6:
            growing.write_bytes(bytes(asked))
        if asked == 3:
            save(tmp_path / "in" / "c.png")
        return asked > 20

    second = watch.wait(grow)
    assert second is not None
    assert second.unsettled == (str(growing),)
    assert not second.overwrite
    third = watch.wait(grow)
    assert third is not None
    assert third.unsettled == ()


def test_a_folder_may_be_empty_at_first(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    watch = Watch(options(tmp_path / "in"), look_s=0)
    assert watch.wait(looks(3)) is None
    save(tmp_path / "in" / "a.png")
    assert watch.wait(looks(5)) is not None


@pytest.mark.parametrize("inputs", [("-",), ("s3://bucket/in",), ("0",), ("rtsp://host/a",)])
def test_what_cannot_be_watched(inputs: tuple[str, ...]) -> None:
    with pytest.raises(LsegError, match="not at stdin, addresses or cameras"):
        Watch(SegmentOptions(inputs=inputs, labels="sky"))


def test_a_cluster_does_not_watch(tmp_path: Path) -> None:
    with pytest.raises(LsegError, match="omit --ray and --shard"):
        Watch(SegmentOptions(inputs=(str(tmp_path),), labels="sky", ray="local"))


def test_pictures_that_arrive_are_segmented_until_interrupted(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert model.exists()
    save(Path("in/a.png"))

    def arrive() -> None:
        """A second picture comes when the first one is done; then Ctrl-C."""
        wait_for(Path("out/masks/a.png"))
        shutil.copy(save(Path("b.png"), 1), "in/b.png")
        wait_for(Path("out/masks/b.png"))
        wait_for(Path("out/run.json"), b'"done": 2')
        os.kill(os.getpid(), signal.SIGINT)

    other = threading.Thread(target=arrive)
    other.start()
    assert lseg("segment", "in", "-l", "sky, other", "--watch") == 130
    other.join()
    assert len(Path("out/results.jsonl").read_bytes().splitlines()) == 2
    assert "1 more segmented, 2 in all." in capsys.readouterr().err


def wait_for(path: Path, content: bytes = b"") -> None:
    """Until a file is there and holds something; not for ever, so that a fault ends the test."""
    until = time.monotonic() + 60
    while not (path.exists() and content in path.read_bytes()) and time.monotonic() < until:
        time.sleep(0.05)
