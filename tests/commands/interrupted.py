"""Runs in processes of their own that are stopped in the middle: what the tests of kills and full disks share."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
COMMANDS = ("segment", "embed", "relabel")
LABELS = "sky,road,other"
FOLDERS = ("masks", "overlays", "embeddings")


def prepare(model: Path, pictures: int) -> None:
    """Pictures in `in` and a model below the current folder."""
    Path("in").mkdir()
    for number in range(pictures):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(f"in/{number:03}.png")
    shutil.copyfile(model, "model.onnx")


def command_line(command: str, out: str) -> list[str]:
    """Of a run whose results do not depend on how many threads there are."""
    inputs = "feats" if command == "relabel" else "in"
    line = [sys.executable, "-m", "lseg_cli", command, inputs, "-o", out, "-q", "--threads", "1"]
    line += [] if command == "relabel" else ["-m", "model.onnx", "--imgsz", "64"]
    return line + ([] if command == "embed" else ["-l", LABELS, "--save", "overlay"])


def environment(folder: Path) -> dict[str, str]:
    """Of such a process; its caches lie in a folder."""
    paths = os.pathsep.join(str(ROOT / name) for name in (".", "engines", "export"))
    return os.environ | {"PYTHONPATH": paths, "LSEG_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}


def results(out: str) -> dict[str, bytes]:
    paths = [path for folder in FOLDERS for path in Path(out, folder).rglob("*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths if path.is_file()}


def lines(out: str) -> list[dict[str, Any]]:
    """The whole lines of the journal so far."""
    journal = Path(out, "results.jsonl")
    found = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
    return [json.loads(line) for line in found if line.endswith(b"\n")]
