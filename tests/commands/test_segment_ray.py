"""A run on a Ray cluster makes what a local run makes, also when a worker is killed in the middle."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lseg_cli.runs.ray import cluster
from tests.command_line import lseg
from tests.conftest import Bucket

ROOT = Path(__file__).parents[2]
PICTURES = 80


def start(model: Path, out: str, *more: str, pictures: str = "in") -> "subprocess.Popen[bytes]":
    names = [pictures, "-l", "sky,road,other", "-m", str(model), "-o", out]
    options = ["--save", "overlay", "--imgsz", "64", "-q", "--threads", "1"]
    paths = {"PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in (".", "engines", "export"))}
    command = [sys.executable, "-m", "lseg_cli", "segment", *names, *options, *more]
    return subprocess.Popen(command, env=os.environ | paths)


def lines(out: str) -> list[dict[str, Any]]:
    path = Path(out, "results.jsonl")
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{key: value for key, value in line.items() if key != "ms"} for line in found]


def files(out: str) -> dict[str, bytes]:
    paths = [path for folder in ("masks", "overlays") for path in Path(out, folder).rglob("*.*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def workers(mark: Path) -> list[int]:
    """Processes of Ray that work for a command with `mark` in its environment, which they inherit."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            is_worker = (folder / "cmdline").read_bytes().startswith(b"ray::MapWorker")
            if is_worker and str(mark).encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="workers are found in /proc")
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the ray package (the extra ray)")
def test_two_workers_one_of_which_is_killed_make_what_a_local_run_makes(
    onnx_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    Path("in").mkdir()
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(f"in/{number:03}.png")
    Path("in", os.fsdecode(b"caf\xe9.png")).write_text("no picture")
    assert start(onnx_model, "local").wait() == 3
    process = start(onnx_model, "out", "--ray", "local", "--ray-workers", "2")
    while process.poll() is None and not (lines("out") and len(workers(tmp_path)) == 2):
        time.sleep(0.01)
    both = workers(tmp_path)
    if both:
        os.kill(both[0], signal.SIGKILL)
    assert process.wait() == 3
    assert len(both) == 2
    assert len(lines("out")) == PICTURES
    assert lines("out") == lines("local")
    assert files("out") == files("local")
    assert Path("out/failures.jsonl").read_bytes() == Path("local/failures.jsonl").read_bytes()
    report = json.loads(Path("out/run.json").read_text())
    assert report["device"] == "2 workers of Ray, on cpu"
    assert not list(Path("out").glob(".ray-*"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the ray package (the extra ray)")
def test_two_workers_read_a_bucket_as_a_local_run_reads_a_folder_and_go_on_where_they_were_stopped(
    onnx_model: Path, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        path = Path(f"in/{number % 3}/{number:03} ä.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    Path("in/damaged.png").write_bytes(Path("in/0/000 ä.png").read_bytes()[:500])
    bucket.fill(Path("in").resolve())
    assert start(onnx_model, "local").wait() == 3
    options = ("--ray", "local", "--ray-workers", "2")
    process = start(onnx_model, "out", *options, pictures=bucket.address("in"))
    while process.poll() is None and not lines("out"):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    before = {line["mask"]: Path("out", line["mask"]).stat().st_mtime_ns for line in lines("out")}
    assert 0 < len(before) < PICTURES
    assert start(onnx_model, "out", *options, pictures=bucket.address("in")).wait() == 3
    assert {name: Path("out", name).stat().st_mtime_ns for name in before} == before
    assert len(lines("out")) == len(lines("local")) == PICTURES
    assert files("out") == files("local")
    (failure,) = map(json.loads, Path("out/failures.jsonl").read_text().splitlines())
    assert failure["source"] == bucket.address("in/damaged.png")
    assert failure["stage"] == "decode"


class TestRefusals:
    @pytest.mark.usefixtures("model")
    @pytest.mark.parametrize(
        ("package", "address", "device", "sentence", "code"),
        [
            ("not_installed", "auto", "cpu", "pip install 'lseg-cli[ray]'", 6),
            ("json", "auto", "cuda:1", "take cuda", 2),
            ("json", "127.0.0.1:1", "cpu", "There is no Ray cluster at 127.0.0.1:1", 6),
            ("json", "no port", "cpu", "write host:port", 6),
            ("json", "host:port", "cpu", "write host:port", 6),
        ],
    )
    def test_what_cannot_be_is_told_before_anything_is_opened(
        self,
        package: str,
        address: str,
        device: str,
        sentence: str,
        code: int,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(cluster, "PACKAGE", package)
        Image.new("RGB", (48, 32)).save("a.png")
        assert lseg("segment", "a.png", "-l", "sky", "--ray", address, "-d", device) == code
        assert sentence in capsys.readouterr().err
        assert not Path("out").exists()
