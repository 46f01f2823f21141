"""A command of the README that does not run is a bug."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from tests.command_line import lseg

README = Path(__file__).parent.parent / "README.md"
BUNDLED = README.parent / "lseg_cli" / "weights" / "lseg-tiny.safetensors"


def _commands() -> list[str]:
    """Lines of the README's shell blocks that run `lseg`, in their order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line[line.index("lseg segment") :] if "&& lseg" in line else line for line in lines if "lseg " in line]


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path, mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one folder, one after the other: later commands use what earlier ones wrote.

    All but the one that sets up, which a shell must read, run in this process: Python and PyTorch start once.
    """
    for folder in ("imgs", "imgs/sub"):
        (tmp_path / folder).mkdir()
    Image.fromarray(load_sample_image("china.jpg")).resize((320, 213)).save(tmp_path / "imgs" / "sub" / "china.jpg")
    Image.fromarray(load_sample_image("flower.jpg")).resize((320, 213)).save(tmp_path / "photo.jpg")
    (tmp_path / "labels.txt").write_text("sky\nroad\nother\n", encoding="utf-8")
    (tmp_path / "street").symlink_to(mini.parent, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    commands = _commands()
    assert len(commands) == 25
    in_shell = [command for command in commands if "$(" in command]
    assert len(in_shell) == 1
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in commands:
        if command in in_shell:
            run = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=False)
            assert run.returncode == 0, f"{command}\n{run.stderr}"
        else:
            assert lseg(*shlex.split(command)[1:]) == 0, command


def test_the_owners_commands_are_there() -> None:
    commands = [shlex.split(command)[:2] for command in _commands()]
    assert ["lseg", "segment"] in commands
    assert ["lseg", "train"] in commands
