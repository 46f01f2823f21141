"""How near `lseg segment` comes to its slowest step: pictures per second of the engine, of decoding, and end to end.

    python recipes/pipeline/measure.py [--pictures 200] [--rounds 3] [--model M.onnx] [--imgsz 640] [--device-ms 90]

Photographs of scikit-learn, enlarged to 1 to 12 megapixels, are segmented with `lseg-tiny` in ONNX Runtime. All are
measured in turns in one process, a part of the pictures each, so that a machine's mood strikes all alike:

* engine: the prepared tensors of these pictures, nothing else, one after another with all cores;
* engine, side by side: the same as the run does it, a core for each;
* decoding: files to tensors, in as many threads as the run uses, no engine;
* end to end: the run, from the first file to the last mask.

The run should reach 90 % of the slower one of engine and decoding. Where they share a CPU's cores it cannot do more
than these divided by its CPU seconds per picture. `--device-ms` puts in the engine's place what a device of its own
would be: the same answers, so many milliseconds a picture, and no core taken.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from lseg_cli.contract import SCORES, Engine, Output
from lseg_cli.data.finding import Source
from lseg_cli.data.labels import LabelSet
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.results.records import Item
from lseg_cli.runs.options import SegmentOptions
from lseg_cli.runs.pictures import LoadedPicture, open_beside, plan_streams
from lseg_cli.runs.segment import SegmentSteps, SegmentWork, open_segmentation
from lseg_engines.description import read_spec
from lseg_engines.opener import find_model, open_engine
from lseg_export.onnx_file import export_onnx
from lseg_export.options import GraphOptions

LABELS = "sky,tree,building,flower,water,person,grass,road,car,other"


def make_pictures(folder: Path, count: int) -> list[Path]:
    """JPEGs of 1 to 12 megapixels, every size as often."""
    photos = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    paths = []
    for number in range(count):
        megapixels = 1 + 11 * (number % 12) / 11
        width = round((megapixels * 1e6 * 1.5) ** 0.5)
        path = folder / f"{number:04}.jpg"
        photos[number % 2].resize((width, round(width / 1.5)), Image.Resampling.BICUBIC).save(path, quality=90)
        paths.append(path)
    return paths


def timed(what: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    what()
    return time.perf_counter() - clock, time.process_time() - cpu


def make_steps(options: SegmentOptions, engine: Engine) -> SegmentSteps:
    """What is done with a picture, for labels that mean nothing."""
    labels = LabelSet.of(LABELS.split(","))
    vectors = np.ones((len(labels.names), engine.spec.model.text.width), np.float32)
    return SegmentWork(options, labels, vectors, lambda _: engine).steps(engine, are_many=True)


def load_all(steps: SegmentSteps, paths: Sequence[Path], workers: int) -> list[LoadedPicture]:
    """Files to tensors."""
    items = [Item(Source(path, path.parent, path.name), path.stem) for path in paths]
    with ThreadPoolExecutor(workers) as pool:
        return [loaded for loaded in pool.map(steps.load, items) if isinstance(loaded, LoadedPicture)]


def load_some(steps: SegmentSteps, paths: Sequence[Path], workers: int) -> None:
    """All files to tensors, without keeping them."""
    for first in range(0, len(paths), 12):
        load_all(steps, paths[first : first + 12], workers)


@dataclass
class Device:
    """An engine's answers after a time, as from a device that takes no core; fulfils `lseg_cli.contract.Engine`.

    Attributes:
        engine: what it stands for.
        ms: per picture.
    """

    engine: Engine
    ms: float
    device: str = "elsewhere"

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self.spec, self.precision = self.engine.spec, self.engine.precision
        self._answers: dict[tuple[int, ...], NDArray[np.generic]] = {}

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        """The answer to the first picture of that shape."""
        time.sleep(self.ms * len(image) / 1000)
        if image.shape[1:] not in self._answers:
            self._answers[image.shape[1:]] = self.engine.run(image[:1], text, SCORES)["scores"]
        return {"scores": np.repeat(self._answers[image.shape[1:]], len(image), axis=0)}


def infer_all(engine: Engine, tensors: Sequence[LoadedPicture], streams: int) -> None:
    """So many at a time."""
    text = np.ones((len(LABELS.split(",")), engine.spec.model.text.width), np.float32)
    with ThreadPoolExecutor(streams) as pool:
        for _ in pool.map(lambda one: engine.run(one.image, text, SCORES), tensors):
            pass


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="")
    parser.add_argument("--imgsz", type=int, default=None)
    parser.add_argument("--device-ms", type=float, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = Path(arguments.model or folder / "tiny.onnx")
        if not arguments.model:
            export_onnx(find_model("lseg-tiny"), model, GraphOptions())
        paths = make_pictures(folder, arguments.pictures)
        kinds = ("engine", "engine, side by side", "decoding", "end to end")
        totals = {kind: np.zeros(2) for kind in kinds}

        def open_scores(choice: EngineChoice) -> Engine:
            engine = open_engine(choice, outputs=SCORES)
            return engine if arguments.device_ms is None else Device(engine, arguments.device_ms)

        choice = EngineChoice(str(model), device="cpu")
        alone = open_scores(choice)
        for number in range(arguments.rounds):
            part = paths[number :: arguments.rounds]
            options = SegmentOptions(
                inputs=tuple(map(str, part)),
                labels=LABELS,
                out=str(folder / f"out{number}"),
                engine=choice,
                imgsz=arguments.imgsz,
            )
            streams = plan_streams(choice, options.batch, len(part))
            engine = open_beside(choice, streams, open_scores)
            steps = make_steps(options, engine)
            loaded = load_all(steps, part[:12], options.thread_count)  # one of each size; also to warm up
            steps.infer(loaded[:1])
            rounds = -(-len(part) // len(loaded))
            tensors = (loaded * rounds)[: len(part)]
            totals["engine"] += timed(partial(infer_all, alone, tensors, 1))
            totals["engine, side by side"] += timed(partial(infer_all, engine, tensors, streams))
            totals["decoding"] += timed(partial(load_some, steps, part, options.thread_count))
            with open_segmentation(options, open_scores, read_spec) as run:
                totals["end to end"] += timed(partial(list, run.run()))
        rates = {kind: len(paths) / clock for kind, (clock, _) in totals.items()}
        for kind, (clock, cpu) in totals.items():
            print(f"{kind:<22}{rates[kind]:8.2f} pictures/s {cpu / len(paths):8.3f} CPU s per picture {clock:8.1f} s")
        slower = min(("engine", "decoding"), key=rates.__getitem__)
        print(f"end to end is {rates['end to end'] / rates[slower]:.1%} of {slower} alone")
        clock, cpu = totals["end to end"]
        print(f"and kept {cpu / clock:.2f} of {os.cpu_count()} cores busy")


if __name__ == "__main__":
    main()
