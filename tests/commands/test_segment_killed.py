"""`kill -9` at any moment loses only what is in flight, and a rerun makes what an undisturbed run makes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lseg_cli.config import ModelConfig
from lseg_export.options import ExportOptions

ROOT = Path(__file__).parents[2]
PICTURES = 200
KILLS = 3


def start(model: Path, out: str) -> "subprocess.Popen[bytes]":
    arguments = ["in", "-l", "sky,road,other", "-m", str(model), "-o", out, "--save", "overlay", "--imgsz", "64", "-q"]
    paths = {"PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in (".", "engines", "export"))}
    return subprocess.Popen([sys.executable, "-m", "lseg_cli", "segment", *arguments], env=os.environ | paths)


def lines(out: str) -> int:
    journal = Path(out, "results.jsonl")
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def results(out: str) -> dict[str, bytes]:
    paths = [path for folder in ("masks", "overlays") for path in Path(out, folder).rglob("*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_been(
    pyramid_config: ModelConfig,
    word_width: int,
    exported: Callable[[ModelConfig, ExportOptions], tuple[Path, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = pyramid_config.text.model_copy(update={"width": word_width})
    model = exported(pyramid_config.model_copy(update={"text": text}), ExportOptions())[1]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    Path("in").mkdir()
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(f"in/{number:03}.png")
    assert start(model, "whole").wait() == 0
    chance, killed = random.Random(0), 0
    for kill in range(KILLS):
        process, target = start(model, "out"), (kill * PICTURES) // (2 * KILLS) + 1
        while process.poll() is None and lines("out") < target:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    done = lines("out")
    assert start(model, "out").wait() == 0
    assert 0 < done <= lines("out") == PICTURES
    whole, again = results("whole"), results("out")
    assert len(whole) == 2 * PICTURES
    assert again == whole
