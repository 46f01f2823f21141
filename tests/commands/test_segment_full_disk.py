"""A disk that is full ends a run cleanly, and with more room the same command goes on."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lseg_cli.config import ModelConfig
from lseg_export.options import ExportOptions

ROOT = Path(__file__).parents[2]
PICTURES = 60
SCRIPT = """
mount -t tmpfs -o size=120k tmpfs small || exit 99
"$@" -o small; echo "first $?"
find small -name '.*.tmp' | wc -l
cp -r small torn
mount -o remount,size=8m small || exit 99
"$@" -o small; echo "second $?"
cp -r small whole
"""


def can_mount() -> bool:
    """Whether this user may mount in a name space of its own."""
    command = ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def results(out: str) -> dict[str, bytes]:
    paths = [path for folder in ("masks", "overlays") for path in Path(out, folder).rglob("*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="no file system may be mounted here, not even in a name space")
def test_a_full_disk_stops_the_run_and_a_larger_one_lets_it_go_on(
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
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(str(ROOT / folder) for folder in (".", "engines", "export")))
    for folder in ("in", "small"):
        Path(folder).mkdir()
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(pixels).save(f"in/{number:02}.png")
    command = [sys.executable, "-m", "lseg_cli", "segment", "in", "-l", "sky,road,other", "-m", str(model), "-q"]
    command += ["--save", "overlay", "--imgsz", "64"]
    shell = ["unshare", "-Urm", "sh", "-c", SCRIPT, "sh", *command]
    ended = subprocess.run(shell, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["first", "6", "0", "second", "0"]
    assert "No space left on device" in ended.stderr
    assert subprocess.run([*command, "-o", "out"], check=True).returncode == 0
    torn, whole, expected = results("torn"), results("whole"), results("out")
    assert 0 < len(torn) < len(expected) == 2 * PICTURES
    assert all(expected[name] == content for name, content in torn.items())
    assert whole == expected
