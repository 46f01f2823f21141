"""What the first mask of a picture costs: whole processes of `lseg segment`, with an empty cache and with a filled one.

    python recipes/runtimes/start.py [PICTURE] [--rounds 7] [--imports] [--stages]

Prints the median CPU seconds, wall-clock seconds and peak memory; `--imports` also the modules that took longest, and
`--stages` what each stage adds, of processes that go one stage further than the one before, round after round.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LABELS = "sky,tree,building,other"
_IMAGE = (1, 352, 480, 3)  # about as the network sees a photograph
STAGES = {
    "Python": "",
    "command line": "from lseg_cli.main import make_app; make_app('segment')",
    "the run's modules": "import lseg_cli.runs.segment, lseg_engines.description",
    "ONNX Runtime": "import lseg_engines.ort.engine",
    "graph opened": (
        "from lseg_cli.contract import SCORES; from lseg_cli.engine_choice import EngineChoice; "
        "from lseg_engines.opener import open_engine; engine = open_engine(EngineChoice(), outputs=SCORES)"
    ),
    "network": (
        "import numpy; words = numpy.ones((4, engine.spec.model.text.width), numpy.float32); "
        f"engine.run(numpy.zeros({_IMAGE}, numpy.uint8), words, SCORES)"
    ),
}


def one(command: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """CPU seconds, wall-clock seconds and MiB of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}.")
    return used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss / 1024


def show_stages(rounds: int, whole: list[str], environment: dict[str, str], out: Path) -> None:
    """Prints what each stage adds; the last is the rest of the whole command."""
    codes = list(STAGES.values())
    commands = [[sys.executable, "-c", "\n".join(codes[: number + 1])] for number in range(len(codes))]
    rows = []
    for _ in range(rounds):
        shutil.rmtree(out, ignore_errors=True)
        rows.append([one(command, environment)[0] for command in [*commands, whole]])
    before = 0.0
    for name, seconds in zip(
        [*STAGES, "options, labels, picture, mask, records"], zip(*rows, strict=True), strict=True
    ):
        until = statistics.median(seconds)
        print(f"{until - before:8.3f} CPU s  {name}")
        before = until


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", default=str(Path(__file__).parents[2] / "docs/pictures/start.jpg"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--imports", action="store_true")
    parser.add_argument("--stages", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        out, cache = Path(name, "out"), Path(name, "cache")
        environment = {**os.environ, "LSEG_CACHE": str(cache)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # pip compiles what it installs; so does the run before
        command = [sys.executable, "-m", "lseg_cli", "segment", arguments.picture, "-l", LABELS, "-o", str(out), "-q"]
        one(command, environment)
        for kind in ("empty", "filled"):
            rows = []
            for _ in range(arguments.rounds + 2 * (kind == "filled")):  # the second run fills it
                shutil.rmtree(out, ignore_errors=True)
                if kind == "empty":
                    shutil.rmtree(cache, ignore_errors=True)
                rows.append(one(command, environment))
            cpu, wall, peak = (statistics.median(each) for each in zip(*rows[-arguments.rounds :], strict=True))
            print(f"{kind} cache: {cpu:.2f} CPU s, {wall:.2f} s, {peak:.0f} MiB (median of {arguments.rounds})")
        if arguments.stages:
            show_stages(arguments.rounds, command, environment, out)
        if arguments.imports:
            shutil.rmtree(out)
            timed = [command[0], "-X", "importtime", *command[1:]]
            said = subprocess.run(timed, env=environment, capture_output=True, text=True, check=True).stderr
            lines = [line.split("|") for line in said.splitlines() if line.startswith("import time:") and "|" in line]
            rows_ms = [
                (int(own.split(":")[1]) / 1000, name.strip()) for own, _, name in lines if own[12:].strip().isdigit()
            ]
            for own, module in sorted(rows_ms, reverse=True)[:25]:
                print(f"{own:8.1f} ms  {module}")


if __name__ == "__main__":
    main()
