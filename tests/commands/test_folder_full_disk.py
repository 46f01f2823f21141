"""A disk that is full ends a run cleanly, and with more room the same command goes on."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands.interrupted import COMMANDS, command_line, environment, prepare, results

PICTURES = 60
SIZES = {"segment": "120k", "embed": "200k", "relabel": "120k"}  # too small for all of them
SCRIPT = """
mount -t tmpfs -o size=$1 tmpfs small || exit 99
shift
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


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="no file system may be mounted here, not even in a name space")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_stops_the_run_and_a_larger_one_lets_it_go_on(
    command: str, onnx_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(onnx_model, PICTURES)
    Path("small").mkdir()
    here = environment(tmp_path)
    if command == "relabel":
        subprocess.run(command_line("embed", "feats"), env=here, check=True)
    line = command_line(command, "out")
    shell = ["unshare", "-Urm", "sh", "-c", SCRIPT, "sh", SIZES[command], *line]
    ended = subprocess.run(shell, env=here, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["first", "6", "0", "second", "0"]
    assert "No space left on device" in ended.stderr
    subprocess.run(line, env=here, check=True)
    torn, whole, expected = results("torn"), results("whole"), results("out")
    assert 0 < len(torn) < len(expected) == (1 if command == "embed" else 2) * PICTURES
    assert all(expected[name] == content for name, content in torn.items())
    assert whole == expected
