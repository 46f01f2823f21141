"""A command or a block of Python on a page that does not run is a bug.

Blocks called `sh` and `python` are run, in their order, in one folder for each page; `lseg` in this process. A block
with a title that is a file's name is written to that file first. Blocks called `text` are for what needs a network, a
GPU or a cluster, and are not run.
"""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from tests.command_line import lseg
from tests.film_maker import make_film

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
MOST_WORDS = 700  # of the README: what does not fit is a page

_FENCE = re.compile(r'^( *)```(\w+)?(?: title="([^"]+)")?\n(.*?)^\1```', re.DOTALL | re.MULTILINE)
_EXIT_CODE = re.compile(r"  # exit code (\d+)$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it is, its text."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(language, title, textwrap.dedent(text)) for _, language, title, text in found]


def is_run(page: Path) -> bool:
    return any(block.language in ("sh", "python") for block in blocks(page))


PAGES = [page for page in [README, *sorted(DOCS.rglob("*.md"))] if is_run(page)]


@pytest.fixture
def folder(tmp_path: Path, mini: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What pages take for granted: pictures, labels, a data set, an exported model."""
    china, flower = (Image.fromarray(load_sample_image(f"{name}.jpg")) for name in ("china", "flower"))
    (tmp_path / "imgs" / "sub").mkdir(parents=True)
    china.resize((320, 213)).save(tmp_path / "imgs" / "china.jpg")
    flower.resize((320, 213)).save(tmp_path / "imgs" / "sub" / "flower.jpg")
    china.resize((320, 213)).save(tmp_path / "photo.jpg")
    china.resize((960, 640)).save(tmp_path / "big.jpg")
    (tmp_path / "labels.txt").write_text("sky\nroad\nother\n", encoding="utf-8")
    (tmp_path / "street").symlink_to(mini.parent, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image.Image, "show", lambda _: None)  # there is no screen
    return tmp_path


@pytest.fixture(scope="module")
def exports() -> dict[object, Any]:
    """Graphs that a page has exported, and how they compared with their models."""
    return {}


@pytest.fixture(autouse=True)
def _exported_once(exports: dict[object, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages export the same model again and again: the first does it, for the others its file is copied."""
    from lseg_cli.exporting import export  # noqa: PLC0415  loads PyTorch
    from lseg_cli.exporting.verify import verify_export as verify  # noqa: PLC0415
    from lseg_cli.files import file_sha256  # noqa: PLC0415
    from lseg_export.onnx_file import export_onnx as write  # noqa: PLC0415

    def write_once(source: Path, path: Path, options: Any) -> Any:
        key = file_sha256(source), options
        if key not in exports:
            spec = write(source, path, options)
            exports[key] = (
                spec,
                {file.name.removeprefix(path.name): file.read_bytes() for file in path.parent.iterdir()},
            )
        spec, files = exports[key]
        for ending, data in files.items():
            path.with_name(path.name + ending).write_bytes(data)
        return spec

    def verify_once(source: Path, exported: Path, precision: str, verification: Any, reporter: Any) -> Any:
        key = file_sha256(source), file_sha256(exported), precision, verification
        if key not in exports:
            exports[key] = verify(source, exported, precision, verification, reporter)
        return exports[key]

    monkeypatch.setattr(export, "export_onnx", write_once)
    monkeypatch.setattr(export, "verify_export", verify_once)


@pytest.fixture(autouse=True)
def _read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs of four pictures are read by this process: each other one imports PyTorch first (`test_mixing`)."""
    from lseg_cli.data.mixing import batches  # noqa: PLC0415  loads PyTorch

    def read(datasets: Any, schedule: Any, augment: Any, _workers: int) -> Any:
        return batches(datasets, schedule, augment, workers=0)

    monkeypatch.setattr("lseg_cli.training.loop.batches", read)


def run_line(line: str) -> None:
    """A line of a shell block; an exit code other than 0 stands behind it in a comment."""
    expected = int(found[1]) if (found := _EXIT_CODE.search(line)) else 0
    command = _EXIT_CODE.sub("", line)
    # Ray warns of its own old settings, which are errors in this process.
    if command.startswith("lseg ") and not {"|", "--ray"} & {*shlex.split(command)} and "$(" not in command:
        assert lseg(*shlex.split(command)[1:]) == expected, command
        return
    if "&& lseg " in command:  # what is before it sets up
        command = command[command.index("&& lseg ") + 3 :]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        command, shell=True, env=os.environ | {"PATH": programs}, capture_output=True, text=True, check=False
    )
    assert run.returncode == expected, f"{command}\n{run.stderr}"


def give_film(page: Path, folder: Path) -> None:
    """The page of films has a drive, and shows a part from 1:30 on; it is skipped where PyAV is not installed."""
    if page.name == "films.md":
        make_film(folder / "drive.mp4", [0, 0.5, 90, 90.5, 91])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::lseg_cli.errors.LsegWarning")  # pages show odd labels too
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_and_every_block_of_python_runs(page: Path, folder: Path) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    give_film(page, folder)
    for block in blocks(page):
        if block.title and block.language in ("yaml", "json", "text", "python"):
            path = folder / block.title
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
        if block.language == "python":
            exec(compile(block.text, f"{page.name}: {block.text.splitlines()[0]}", "exec"), names)
        elif block.language == "sh":
            for line in filter(None, block.text.splitlines()):
                if line != "python -m pytest":
                    run_line(line)


def test_the_owners_commands_are_in_the_readme() -> None:
    lines = [line for block in blocks(README) if block.language == "sh" for line in block.text.splitlines()]
    commands = [shlex.split(line)[:2] for line in lines]
    assert ["lseg", "segment"] in commands
    assert ["lseg", "train"] in commands
    assert ["lseg", "export"] in commands
    assert "python -m pytest" in lines


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS


def test_links_of_the_readme_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", README.read_text(encoding="utf-8"))
    assert len(targets) > 15
    for target in targets:
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_every_page_is_in_the_navigation() -> None:
    listed = (ROOT / ".ci" / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert f" {page.relative_to(DOCS).as_posix()}\n" in listed, page
