"""Milliseconds of the server per change of labels, and memory while people come and go: the work behind `lseg app`.

    python recipes/app/measure.py photos/                 picture after picture, session after session
    python recipes/app/measure.py photos/ --pictures 50   fewer

Prints JSON. Without a folder, pictures that scikit-image ships are used. What a browser and Gradio add is not measured.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from lseg_cli.app.options import AppOptions
from lseg_cli.app.pictures import Chosen
from lseg_cli.app.workbench import Asked, Workbench
from lseg_cli.data.frequent_words import frequent_words
from lseg_cli.engine_choice import EngineChoice

COUNTS = (3, 20, 150)
REPEATS = 20
SESSIONS = 20


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", help="pictures")
    parser.add_argument("--pictures", type=int, default=200, help="to open one after the other")
    parser.add_argument("--model", default="lseg-tiny")
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = tuple(settings.paths) or (str(_photographs(folder / "photos")),)
        bench = Workbench(AppOptions(paths=paths, engine=EngineChoice(settings.model)), folder)
        report: dict[str, Any] = {"cores": os.cpu_count(), "model": settings.model}
        report["label_change_ms"] = {str(count): _label_changes(bench, count) for count in COUNTS}
        report["memory_MB"] = _memory(bench, settings.pictures, folder)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def _label_changes(bench: Workbench, count: int) -> dict[str, float]:
    """Of a picture that is embedded already: in each change one label is new, as when somebody types."""
    chosen, words = bench.library.choose(0), frequent_words(count + REPEATS)
    bench.show(chosen, Asked(",".join(words[:count])))
    wall, cpu = [], []
    for change in range(1, REPEATS + 1):
        text = ",".join([*words[: count - 1], words[count - 1 + change]])
        start, start_cpu = time.perf_counter(), time.process_time()
        bench.show(chosen, Asked(text))
        wall.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000)
    return {"median": _rounded(wall), "worst": round(max(wall), 1), "cpu_median": _rounded(cpu)}


def _memory(bench: Workbench, pictures: int, folder: Path) -> dict[str, Any]:
    """Resident memory while so many pictures are looked at by 20 sessions, each of which uploads one and ends."""
    process, found = psutil.Process(), list[float]()
    sources = [bench.library.choose(number % len(bench.library.sources)) for number in range(pictures)]
    for number, chosen in enumerate(sources):
        # Copies, so that each is another picture to the page.
        copy = folder / "copies" / f"{number}{Path(str(chosen.path)).suffix}"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(Path(str(chosen.path)).read_bytes())
        session = bench.sessions.get(str(number % SESSIONS))
        session.choose(session.receive(copy))
        bench.show(session.picture, Asked("sky, building, tree, road, person, other"))
        bench.show(Chosen(session.picture.path, "again"), Asked("sky, water, grass, other", min_confidence=0.5))
        if number % 10 == 9:
            found.append(process.memory_info().rss / 1e6)
    for name in range(SESSIONS):
        bench.sessions.free(str(name))
    left = [path for path in (folder / "sessions").rglob("*") if path.is_file()]
    return {
        "after_every_10_pictures": [round(value) for value in found],
        "kept_by_the_page": round(bench.memory.used_bytes / 1e6),
        "files_left_of_sessions": len(left),
    }


def _photographs(folder: Path) -> Path:
    from PIL import Image  # noqa: PLC0415  only where no folder is given
    from skimage import data  # noqa: PLC0415  an extra of developers

    folder.mkdir()
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(data, name)()).resize((640, 427)).save(folder / f"{name}.jpg")
    return folder


def _rounded(values: list[float]) -> float:
    return round(statistics.median(values), 1)


if __name__ == "__main__":
    main()
