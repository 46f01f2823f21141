"""Whether a model answers alike wherever it runs: masks of each pair of ways, and mIoU on a labelled data set.

    python recipes/runtimes/agree.py PICTURES... [--count 100] [--data dataset.yaml] [--model lseg-tiny]

The ways: ONNX Runtime (the default), PyTorch, an exported file of any size, one of a fixed size, OpenVINO.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = "sky,road,building,tree,car,person,sidewalk,fence,animal,furniture,food,other"
FIXED = "640x640"


def lseg(*arguments: object) -> str:
    """What it prints; its own words where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "lseg_cli", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"lseg {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def mean_iou(options: list[object], data: str, out: Path) -> float:
    """Of the validation pictures."""
    lseg("eval", *options, "--data", data, "--out", out, "-q")
    report = json.loads((out / "report.json").read_text("utf-8"))
    return float(report["results"][0]["mean_iou"])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--data", default="")
    parser.add_argument("--model", default="lseg-tiny")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        share = -(-arguments.count // len(arguments.folders))
        pictures = place / "pictures"
        pictures.mkdir()
        for number, folder in enumerate(arguments.folders):
            found = sorted(each for each in folder.rglob("*") if each.suffix.lower() in (".jpg", ".jpeg"))
            for each in found[:: max(1, len(found) // share)][:share]:
                (pictures / f"{number}-{each.name}").symlink_to(each.resolve())
        free, fixed = place / "any.onnx", place / "fixed.onnx"
        lseg("export", arguments.model, "-o", free, "--no-verify")
        lseg("export", arguments.model, "-o", fixed, "--imgsz", FIXED, "--no-verify")
        ways: dict[str, list[object]] = {
            "default": ["-m", arguments.model],
            "torch": ["-m", arguments.model, "--engine", "torch"],
            "exported, any size": ["-m", free],
            f"exported, {FIXED}": ["-m", fixed],
            "openvino": ["-m", free, "--engine", "openvino"],
        }
        masks: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]] = {}
        for number, (way, options) in enumerate(ways.items()):
            out = place / f"out{number}"
            lseg("segment", pictures, "-l", LABELS, *options, "-o", out, "-q")
            masks[way] = [np.asarray(Image.open(path)) for path in sorted((out / "masks").glob("*.png"))]
        for one, other in combinations(ways, 2):
            equal = [float((a == b).mean()) for a, b in zip(masks[one], masks[other], strict=True)]
            print(
                f"{one} / {other}: {np.mean(equal):.5%} of pixels equal, least {min(equal):.3%}, {len(equal)} pictures"
            )
        if arguments.data:
            for number, (way, options) in enumerate(ways.items()):
                print(f"{way}: mIoU {mean_iou(options, arguments.data, place / f'eval{number}'):.4f}")


if __name__ == "__main__":
    main()
