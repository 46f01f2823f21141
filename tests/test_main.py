"""The program as a whole: what it loads, says and returns before any command does its work."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lseg_cli import __version__, main
from lseg_cli.errors import DataError, LsegError, MismatchError, MissingError, VerificationError
from tests.command_line import lseg

ROOT = Path(__file__).parent.parent
HEAVY = [
    "torch",
    "torchvision",
    "timm",
    "open_clip",
    "onnx",
    "onnxruntime",
    "tensorrt",
    "cv2",
    "PIL",
    "numpy",
    "pydantic",
]
ENVIRONMENT = {"PYTHONPATH": ":".join(str(ROOT / folder) for folder in (".", "engines", "export"))}


def python(code: str, shell: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs code in a Python of its own, its output piped into a shell command."""
    command = f"\"{sys.executable}\" -c '{code}' {shell}"
    return subprocess.run(["bash", "-c", command], env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes the command line raise what it is given."""

    def prepare(error: BaseException) -> None:
        def fail(**_: object) -> None:
            raise error

        monkeypatch.setattr(main, "make_app", lambda *_: fail)

    return prepare


def test_the_command_line_loads_nothing_heavy() -> None:
    names = ", ".join(f'"{name}"' for name in HEAVY)
    found = f"[name for name in ({names}) if name in sys.modules]"
    code = f"import sys; from lseg_cli.main import make_app; make_app(); print({found})"
    assert python(code).stdout == "[]\n"


def test_a_command_imports_no_other_and_nothing_that_a_quiet_run_can_do_without() -> None:
    """All of it would be waited for at the first mask of a picture."""
    code = """
import sys
from lseg_cli.main import _run
_run(["segment", "nowhere.jpg", "-l", "sky", "-q"])
others = ["lseg_cli.commands.train", "lseg_cli.importing", "lseg_cli.runs.ray.cluster", "lseg_cli.drawing.overlay"]
others += ["rich", "yaml", "torch"]
print([name for name in others if name in sys.modules], "lseg_cli.runs.segment" in sys.modules)
"""
    assert python(code).stdout == "[] True\n"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("--version") == 0
    assert capsys.readouterr().out == f"lseg {__version__}\n"
    assert lseg("-h") == lseg("--help") == lseg("segment", "-h") == 0
    said = capsys.readouterr().out
    assert "segment" in said
    assert "predict" not in said.split("Usage")[1]
    assert lseg() == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["segmnt"], "Did you mean 'segment'?"),
        (["labels", "chek"], "Did you mean 'check'?"),
        (["segment", "x", "--lables", "sky"], "--labels"),
        (["bench", "x", "--sweep-lables", "3"], "--sweep-labels"),
        (["segment", "x"], "Missing option"),
        (["segment", "-l", "sky"], "Missing argument"),
        (["segment", "x", "-l", "sky", "--min-confidence", "2"], "--min-confidence"),
        (["predict", "x"], "Missing option"),
    ],
)
def test_usage_errors_are_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("lseg: ")
    assert sentence in said.err
    assert said.err.endswith("--help.\n")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "code"), [(LsegError, 2), (DataError, 4), (MismatchError, 5), (MissingError, 6), (VerificationError, 7)]
)
def test_mistakes_are_one_sentence_and_their_exit_code(
    kind: type[LsegError], code: int, broken: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken(kind("This was wrong; do that."))
    assert lseg("-v") == code
    assert capsys.readouterr().err == "lseg: This was wrong; do that.\n"


def test_an_interrupt_is_130(broken: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]) -> None:
    broken(KeyboardInterrupt())
    assert lseg() == 130
    assert capsys.readouterr().err == "lseg: Interrupted; what is finished is kept.\n"


def test_a_bug_shows_its_traceback_only_when_asked(
    broken: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken(ZeroDivisionError("division by zero"))
    assert lseg("segment") == 1
    assert capsys.readouterr().err == "lseg: This is a bug: ZeroDivisionError: division by zero; -v shows where.\n"
    assert lseg("segment", "-v") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = """
from lseg_cli import main
from lseg_cli.console.terminal import Console

app = main.make_app()

@app.command()
def count() -> None:
    for number in range(9999):
        Console(json_lines=True).event(str(number), {})

main.make_app = lambda *_: app
main.run(["count"])
"""
    ended = python(code, "| head -1; exit ${PIPESTATUS[0]}")
    assert re.fullmatch(r'\{"event": "0", "time": "[^"]+"\}\n', ended.stdout)
    assert ended.stderr == ""
    assert ended.returncode == 141


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_a_stream_that_the_caller_closed_is_no_bug(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, name, None)
    assert lseg("models") == 0
    getattr(sys, name).close()


def test_a_full_disk_behind_stdout_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of JSON lines, and of what any command prints."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    for arguments in (("models",), ("models", "--json")):
        with Path("/dev/full").open("w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            assert lseg(*arguments) == 6
        assert capsys.readouterr().err == "lseg: What is printed cannot be written (No space left on device).\n"
