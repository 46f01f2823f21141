"""Pictures of a bucket are segmented as those of a folder, and only once."""

import io
import json
import os
import signal
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from lseg_cli.data.store import Address
from tests.command_line import lseg
from tests.conftest import Bucket

pytestmark = pytest.mark.usefixtures("model")


def segment(*arguments: str) -> int:
    return lseg("segment", *arguments, "-l", "sky,road,other")


def noise(seed: int, width: int = 48) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, width, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def draw(*names: str) -> None:
    for seed, name in enumerate(names):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(noise(seed))


def lines(out: str = "out", name: str = "results.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(out, name).read_text("utf-8").splitlines()]


def files(out: str = "out") -> dict[str, bytes]:
    paths = [path for folder in ("masks", "overlays") for path in Path(out, folder).rglob("*") if path.is_file()]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the objects that were read."""
    names: list[str] = []
    whole = Address.open

    def noted(self: Address, mode: Literal["rb"]) -> io.BytesIO:
        names.append(self.name)
        return whole(self, mode)

    monkeypatch.setattr(Address, "open", noted)
    return names


class TestResults:
    def test_they_are_those_of_a_folder_and_a_damaged_object_costs_itself_alone(
        self, bucket: Bucket, capsys: pytest.CaptureFixture[str]
    ) -> None:
        draw("in/a.png", "in/deep/b c.png", "in/deep/ä.png")
        Path("in/damaged.png").write_bytes(noise(9)[:200])
        bucket.fill(Path("in").resolve())
        assert segment("in", "-o", "local", "--save", "overlay") == 3
        assert segment(bucket.address("in"), "--save", "overlay") == 3
        assert files() == files("local")
        assert sorted(files()) == [
            f"{folder}/{name}.{kind}"
            for folder, kind in (("masks", "png"), ("overlays", "jpg"))
            for name in ("a", "deep/b c", "deep/ä")
        ]
        assert [line["source"] for line in lines()] == [
            bucket.address(f"in/{name}.png") for name in ("a", "deep/b%20c", "deep/%C3%A4")
        ]
        (failure,) = lines(name="failures.jsonl")
        assert (failure["source"], failure["stage"]) == (bucket.address("in/damaged.png"), "decode")
        assert failure["error"].startswith(f"{bucket.address('in/damaged.png')} is damaged: ")
        capsys.readouterr()
        assert lseg("report", "out") == 0
        assert "failed: decode  1" in capsys.readouterr().out

    def test_an_object_that_is_gone_is_a_failure_to_read(self, bucket: Bucket) -> None:
        bucket.put("in/a.png", noise(0))
        Path("list.txt").write_text(f"{bucket.address('in/gone.png')}\n{bucket.address('in/a.png')}\n")
        assert segment("@list.txt") == 3
        (failure,) = lines(name="failures.jsonl")
        assert failure["stage"] == "read"
        assert failure["error"].endswith(
            "gone.png?" + failure["source"].split("?")[1] + " cannot be read (No such file or directory)."
        )
        assert list(files()) == ["masks/a.png"]

    def test_they_lie_below_both_where_a_folder_and_a_bucket_are_given(self, bucket: Bucket) -> None:
        draw("in/a.png")
        bucket.fill(Path("in").resolve())
        assert segment("in", bucket.address("in")) == 0
        (there,) = (name for name in files() if name.endswith(f"/{bucket.name}/in/a.png"))
        (here,) = files().keys() - {there}
        assert here.endswith("/work/in/a.png")

    def test_pictures_of_a_bucket_are_embedded(self, bucket: Bucket) -> None:
        bucket.put("in/a.png", noise(0))
        assert lseg("embed", bucket.address("in")) == 0


class TestResuming:
    def test_a_stopped_run_goes_on_and_a_changed_object_is_done_again(
        self, bucket: Bucket, read: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw(*[f"in/{number:02}.png" for number in range(30)])
        bucket.fill(Path("in").resolve())
        noted = Address.open

        def signalled(self: Address, mode: Literal["rb"]) -> io.BytesIO:
            if self.name == "05.png":
                os.kill(os.getpid(), signal.SIGINT)
            return noted(self, mode)

        monkeypatch.setattr(Address, "open", signalled)
        assert segment(bucket.address("in"), "-j", "2") == 130
        assert 5 <= len(read) < 30
        monkeypatch.setattr(Address, "open", noted)
        assert segment(bucket.address("in")) == 0
        assert sorted(read) == [f"{number:02}.png" for number in range(30)]
        assert len(lines()) == 30
        read.clear()
        bucket.put("in/07.png", noise(99, width=64))
        assert segment(bucket.address("in")) == 0
        assert read == ["07.png"]
        assert {line["width_px"] for line in lines() if "07.png" in line["source"]} == {64}


class TestRefusals:
    def test_they_are_a_sentence(self, bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
        assert segment(bucket.address("none")) == 2
        assert f"There is no object or folder s3://{bucket.name}/none" in " ".join(capsys.readouterr().err.split())
        bucket.put("in/a.png", noise(0))
        for command in (segment, lambda *arguments: lseg("embed", *arguments)):
            assert command(bucket.address("in"), "-o", "s3://bucket/out") == 2
            assert "Results are written to a folder, and s3://bucket/out is" in " ".join(
                capsys.readouterr().err.split()
            )
        assert not Path("s3:").exists()
