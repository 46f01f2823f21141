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

README = Path(__file__).parent.parent / "README.md"
BUNDLED = README.parent / "lseg_cli" / "weights" / "lseg-tiny.safetensors"


def _commands() -> list[str]:
    """Lines of the README's shell blocks that run `lseg`, in their order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line[line.index("lseg segment") :] if "&& lseg" in line else line for line in lines if "lseg " in line]


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path, mini: Path) -> None:
    """In one folder, one after the other: later commands use what earlier ones wrote."""
    for folder in ("imgs", "imgs/sub"):
        (tmp_path / folder).mkdir()
    Image.fromarray(load_sample_image("china.jpg")).resize((320, 213)).save(tmp_path / "imgs" / "sub" / "china.jpg")
    Image.fromarray(load_sample_image("flower.jpg")).resize((320, 213)).save(tmp_path / "photo.jpg")
    (tmp_path / "labels.txt").write_text("sky\nroad\nother\n", encoding="utf-8")
    (tmp_path / "street").symlink_to(mini.parent, target_is_directory=True)
    commands = _commands()
    assert len(commands) >= 6
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in commands:
        run = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, f"{command}\n{run.stderr}"


def test_the_owners_commands_are_there() -> None:
    commands = [shlex.split(command)[:2] for command in _commands()]
    assert ["lseg", "segment"] in commands
    assert ["lseg", "train"] in commands
