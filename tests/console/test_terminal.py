"""What a person sees, on a terminal and in a log."""

import io
import json
from datetime import datetime, timedelta, timezone

import pytest
from rich.console import Console as RichConsole

from lseg_cli.console.terminal import Console


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr("lseg_cli.console.terminal.time.monotonic", lambda: float(next(clock)))
    assert list(Console().track("abcdef", 6)) == list("abcdef")
    assert capsys.readouterr().err.splitlines() == [
        "3 of 6, 0.2 per second, 12 s left",
        "6 of 6, 0.2 per second, 0 s left",
    ]


def test_quiet_is_quiet_but_for_errors(capsys: pytest.CaptureFixture[str]) -> None:
    speaker = Console(quiet=True)
    assert list(speaker.track("abc", 3)) == list("abc")
    speaker.note("All is well.")
    speaker.line("Something is wrong in [a] folder.", "red")
    assert capsys.readouterr().err == "Something is wrong in [a] folder.\n"


@pytest.mark.parametrize(("term", "has_bar"), [("xterm", True), ("dumb", False)])
def test_a_terminal_gets_a_bar(term: str, has_bar: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    drawn = io.StringIO()
    speaker = Console()
    speaker.stderr = RichConsole(file=drawn, force_terminal=True)
    assert list(speaker.track("abc", 3)) == list("abc")
    assert ("3/3" in drawn.getvalue()) == has_bar


def test_events_are_said_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    Console().event("start", {"total": 2})
    Console(json_lines=True).event("end", {"source": "ä\udcff"})
    line = capsys.readouterr().out
    assert line.endswith('"source": "\\u00e4\\udcff"}\n')
    event = json.loads(line)
    assert datetime.now(timezone.utc) - datetime.fromisoformat(event.pop("time")) < timedelta(minutes=1)
    assert event["event"] == "end"
