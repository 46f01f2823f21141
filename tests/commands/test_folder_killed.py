"""`kill -9` or Ctrl-C at any moment loses only what is in flight, and a rerun makes what an undisturbed run makes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.interrupted import COMMANDS, command_line, environment, lines, prepare, results

KILLS = int(os.environ.get("LSEG_KILLS", "3"))  # of each kind; thirty take a quarter of an hour
PICTURES = max(60, 7 * KILLS)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_been(
    command: str,
    number: signal.Signals,
    onnx_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(onnx_model, PICTURES)

    def start(out: str, name: str = command) -> "subprocess.Popen[bytes]":
        with Path("said.txt").open("ab") as said:
            return subprocess.Popen(command_line(name, out), env=environment(tmp_path), stderr=said)

    if command == "relabel":
        assert start("feats", "embed").wait() == 0, Path("said.txt").read_text()
    assert start("whole").wait() == 0, Path("said.txt").read_text()
    chance, killed = random.Random(0), 0
    for kill in range(KILLS):
        process, target = start("out"), (kill * PICTURES) // (2 * KILLS) + 1
        while process.poll() is None and len(lines("out")) < target:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.02))
        if process.poll() is None:
            process.send_signal(number)
        killed += process.wait() in {-signal.SIGKILL, 128 + signal.SIGINT}
    assert killed
    done = [line["source"] for line in lines("out")]
    assert start("out").wait() == 0, Path("said.txt").read_text()
    sources = [line["source"] for line in lines("out")]
    assert 0 < len(done) <= len(sources) == len(set(sources)) == PICTURES
    assert sources[: len(done)] == done
    whole = results("whole")
    assert len(whole) == (1 if command == "embed" else 2) * PICTURES
    assert results("out") == whole
    assert not list(Path("out").glob("previous-*"))
    assert not list(Path("out").rglob(".*.tmp"))
