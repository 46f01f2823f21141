"""Help at the width of a plain terminal: whole names, whole words, in panels."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from lseg_cli.main import make_app
from tests.command_line import lseg

WIDTH = 80


def all_commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from all_commands(child, (*path, name))


COMMANDS = dict(all_commands(typer.main.get_command(make_app())))


def shown(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    assert lseg(*path, "--help") == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_nothing_is_cut_at_80_columns(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(path, monkeypatch, capsys)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= WIDTH
    command = COMMANDS[path]
    words = set(text.split())
    for parameter in command.params:
        if not parameter.hidden:
            names = [name for name in parameter.opts if name.startswith("-")]
            missing = [name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)]
            missing += [word for word in (parameter.help or "").split() if word not in words]
            assert not missing, f"{' '.join(path)} {parameter.name}: {missing}"
    if "Example: " in (command.help or ""):
        line = command.help.split("Example: ")[1].splitlines()[0]
        assert line in " ".join(text.split()), line


def test_options_and_commands_stand_in_panels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    panels = [line for line in shown((), monkeypatch, capsys).splitlines() if line.startswith("╭─")]
    names = [line.split("─ ")[1].split(" ─")[0] for line in panels]
    assert names == ["Options", "Use", "Train and measure", "Ship", "Look"]
    panels = [line for line in shown(("segment",), monkeypatch, capsys).splitlines() if line.startswith("╭─")]
    names = [line.split("─ ")[1].split(" ─")[0] for line in panels]
    assert names == ["Arguments", "Options", "Masks", "Network and machine", "Many pictures", "Films", "Messages"]


def test_a_kind_that_is_unknown_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("segment", "photo.png", "-l", "sky", "--precision", "fp8") == 2
    told = "lseg: Invalid value for '--precision': 'fp8' is not one of 'fp32', 'fp16', 'bf16'."
    assert capsys.readouterr().err == f"{told} See lseg segment --help.\n"
