"""Every place where code or tests lean on one system, found in the source and listed with the reason.

The package is for Linux, macOS and Windows; the tests run on Linux and macOS, and the built wheel is tried on all three
(`nox -s wheel`). A new place is an error until it is listed here with what happens on other systems; so is an entry
whose place is gone. A scan does not see these:

* Locks: the library filelock, which knows both kinds of system.
* Line ends: files are written in binary, or with the line end that `open` is given.
* Long paths: one name has at most 255 bytes (`results/names.py`), which every file system of the three allows; paths of
  more than 260 characters are a setting of Windows, and an error there says which file.
* Replacing a file that somebody has open fails on Windows; the error says which file (`files.atomic`).
* Processes are spawned, never forked: torch, ONNX Runtime and CUDA have threads.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = ("lseg_cli", "engines", "export", ".ci", "noxfile.py")

_ATTRIBUTES = {  # of the modules os, signal, socket, sys and resource
    "fork", "mkfifo", "AF_UNIX", "SIGKILL", "SIGTERM", "SIGINT", "SIGALRM", "SIGHUP", "kill", "killpg", "geteuid",
    "getuid", "umask", "fsencode", "fsdecode", "sched_getaffinity", "setpriority", "statvfs", "getrusage", "platform",
}  # fmt: skip
_METHODS = {"symlink_to", "hardlink_to", "chmod", "lchmod"}
_MODULES = {"resource", "fcntl", "pwd", "grp", "termios", "pty"}
_FOLDERS = ("/proc", "/dev/", "/sys/", "/tmp", "/etc/", "/usr/")
_SPLITS = {"split", "rsplit", "partition", "rpartition"}

IN_CODE = {
    "':'": {
        "lseg_cli/app/options.py": "NAME:PASSWORD; no path.",
        "lseg_cli/app/server.py": "HOST:PORT; no path.",
        "lseg_cli/commands/parsing.py": "cuda:1, a device; no path.",
        "lseg_cli/data/live.py": "NAME:PASSWORD of a camera; no path.",
        "lseg_cli/data/references.py": "NAME:ROOT:SPLIT; one letter before it is a drive of Windows.",
        "engines/lseg_engines/ort/engine.py": "cuda:1, a device; no path.",
    },
    "/proc": {
        "engines/lseg_engines/ort/graph_cache.py": "The processor's model; elsewhere the module platform is asked.",
        "lseg_cli/bench/memory.py": "The peak of a process; others are asked through psutil or resource.",
    },
    "/sys/": {"engines/lseg_engines/doctor/environment.py": "The share of a container; nothing where it is not there."},
    "SIGINT": {"lseg_cli/commands/interrupt.py": "Python has it on Windows too: Ctrl-C."},
    "SIGTERM": {
        "lseg_cli/commands/interrupt.py": "Can be set on Windows, where nobody sends it.",
        "lseg_cli/main.py": "The same.",
        "lseg_cli/runs/ray/cluster.py": "The same; it is given back after Ray took it.",
    },
    "chmod": {"lseg_cli/model/checkpoint.py": "As the umask says; on Windows only the read-only bit counts."},
    "fsdecode": {"lseg_cli/data/finding.py": "Names of any bytes on stdin; Windows has UTF-8 there."},
    "fsencode": {
        "lseg_cli/results/journal_line.py": "The length of a name in bytes: an upper bound on Windows.",
        "lseg_cli/results/names.py": "The same.",
        "lseg_cli/runs/folder_run.py": "The share of a name; masks of one folder are made on systems of one kind.",
    },
    "getrusage": {"lseg_cli/bench/memory.py": "macOS only."},
    "platform": {
        "lseg_cli/commands/app.py": "Whether there is a screen to open a browser on.",
        "lseg_cli/bench/memory.py": "Chooses how a peak is asked for.",
        "lseg_cli/runs/pipeline.py": "The priority of a thread, on Linux alone.",
        "engines/lseg_engines/doctor/nvidia_driver.py": "The driver's library is nvcuda.dll on Windows.",
        "engines/lseg_engines/tensorrt/builder.py": "An engine belongs to a system, and says to which.",
    },
    "resource": {"lseg_cli/bench/memory.py": "macOS only; imported there."},
    "sched_getaffinity": {"engines/lseg_engines/doctor/environment.py": "Asked for with hasattr; else all cores."},
    "setpriority": {"lseg_cli/runs/pipeline.py": "Linux only: there threads have one."},
}

IN_TESTS = {  # they run on Linux and macOS
    "':'": "Splits text of the test itself.",
    "/dev/": "Devices that are full or have no end; skipped, or never opened, where they are not.",
    "/tmp": "A path outside a folder, which must be refused; nothing is written there.",
    "/etc/": "A path that must not be opened; it need not exist.",
    "/proc": "Files that say they have 0 bytes; workers of Ray by name. Skipped elsewhere.",
    "AF_UNIX": "A socket in the place of a file.",
    "SIGINT": "Ctrl-C, sent to a process.",
    "SIGKILL": "A process that dies at any moment; Windows has no such signal.",
    "SIGTERM": "As a service is stopped.",
    "chmod": "A file that could be run, and must not be.",
    "fork": "Many deaths of a training run without many starts of Python; skipped without it.",
    "fsdecode": "Names of files that are not UTF-8, on Linux only.",
    "fsencode": "The same.",
    "geteuid": "Root may write anywhere; asked for with hasattr.",
    "getrusage": "The most memory that fuzzing took.",
    "kill": "Sends the signals above.",
    "mkfifo": "A pipe in the place of a file, which must not be waited for.",
    "platform": "Skips what a system cannot do.",
    "resource": "The same as getrusage.",
    "shell": "Commands of pages, as a reader types them into sh.",
    "symlink_to": "Links out of a folder; on Windows they need a right that few have.",
}

Places = set[tuple[str, str]]


def assumptions(tree: ast.AST) -> Iterator[str]:
    """What a file leans on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            module = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in _METHODS or (
                node.attr in _ATTRIBUTES and module in {"os", "signal", "socket", "sys", "resource"}
            ):
                yield node.attr
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in _MODULES)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (folder for folder in _FOLDERS if node.value.startswith(folder))
        elif isinstance(node, ast.keyword) and node.arg == "shell":
            yield "shell"
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _SPLITS
            and any(isinstance(each, ast.Constant) and each.value == ":" for each in node.args)
        ):
            yield "':'"


def found_in(*places: str) -> Places:
    single = [ROOT / place for place in places if place.endswith(".py")]
    files = single + [file for place in places for file in (ROOT / place).rglob("*.py")]
    assert files
    return {
        (kind, file.relative_to(ROOT).as_posix())
        for file in files
        if file != Path(__file__)
        for kind in assumptions(ast.parse(file.read_text(encoding="utf-8")))
    }


def test_code_leans_on_a_system_only_where_it_is_listed() -> None:
    listed = {(kind, file) for kind, files in IN_CODE.items() for file in files}
    found = found_in(*CODE)
    assert found - listed == set(), "Say in IN_CODE what happens on other systems."
    assert listed - found == set(), "These are gone; take them out of IN_CODE."


def test_tests_lean_on_a_system_only_in_ways_that_are_listed() -> None:
    found = {kind for kind, _ in found_in("tests")}
    assert found - IN_TESTS.keys() == set(), "Say in IN_TESTS why."
    assert IN_TESTS.keys() - found == set(), "These are gone; take them out of IN_TESTS."


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import os\nos.fork()", "fork"),
        ("import fcntl", "fcntl"),
        ("open('/tmp/x')", "/tmp"),
        ("Path('a').symlink_to('b')", "symlink_to"),
        ("subprocess.run('ls', shell=True)", "shell"),
        ("name, path = text.split(':')", "':'"),
        ("signal.signal(signal.SIGHUP, stop)", "SIGHUP"),
    ],
)
def test_the_scan_finds(code: str, kind: str) -> None:
    assert list(assumptions(ast.parse(code))) == [kind]
