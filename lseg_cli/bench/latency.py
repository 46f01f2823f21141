"""How long engines take, side by side: whatever fulfils `Engine` is measured the same way.

Engines take turns, one run each, in rounds, so that whatever else the machine does hits all of them. An engine's `run`
returns numbers in the host's memory: its time is that of finished work on any device, with the copies there and back.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lseg_cli.bench.made_input import make_pictures, make_text
from lseg_cli.contract import Engine, Output

_SETTLE_S = 0.2  # between two turns: threads of the last engine spin that long for more work (OpenMP of MKL)


@dataclass(frozen=True)
class Workload:
    """One call of an engine.

    Attributes:
        batch: pictures.
        labels: their number.
        height_px: of the pictures.
        width_px: of the pictures.
        outputs: asked for.
    """

    batch: int
    labels: int
    height_px: int
    width_px: int
    outputs: tuple[Output, ...] = ("mask",)

    def run(self, engine: Engine) -> float:
        """Calls an engine once, with pictures and labels that are always the same; the milliseconds of the call alone.

        Raises:
            LsegError: as the engine.
        """
        image = make_pictures(self.batch, self.height_px, self.width_px)
        text = make_text(self.labels, engine.spec.model.text.width)
        start = time.perf_counter()
        engine.run(image, text, self.outputs)
        return (time.perf_counter() - start) * 1000


@dataclass(frozen=True)
class Turn:
    """One timed run.

    Attributes:
        engine: its name.
        workload: what it did.
        ms: milliseconds.
    """

    engine: str
    workload: Workload
    ms: float


@dataclass(frozen=True)
class Latency:
    """All runs of an engine at one workload, in milliseconds."""

    runs: int
    median_ms: float
    p95_ms: float
    min_ms: float


def race(
    engines: Mapping[str, Engine], workloads: Sequence[Workload], rounds: int, between: Callable[[], object]
) -> Iterator[Turn]:
    """Every engine at every workload in every round, after one run of each that is not timed.

    Args:
        engines: by name.
        workloads: what each of them does; with several, a run that is not timed goes before each that is, for engines
            prepare themselves for a shape that is not the last one's.
        rounds: timed runs of each pair.
        between: called before the first round, after each and so after the last.

    Raises:
        LsegError: as an engine: a workload that it does not take, or its memory is full.
    """
    pairs = list(product(workloads, engines.items()))
    for workload, (_, engine) in pairs:
        workload.run(engine)
    between()
    for number in range(rounds):
        first = number % len(pairs)  # no engine always follows the same one
        for workload, (name, engine) in pairs[first:] + pairs[:first]:
            time.sleep(_SETTLE_S)
            if len(workloads) > 1:
                workload.run(engine)
            yield Turn(name, workload, workload.run(engine))
        between()


def summarise(turns: Sequence[Turn]) -> dict[tuple[Workload, str], Latency]:
    """By workload and engine's name, in the order of their first turns."""
    ms: dict[tuple[Workload, str], list[float]] = {}
    for turn in turns:
        ms.setdefault((turn.workload, turn.engine), []).append(turn.ms)
    return {
        pair: Latency(len(each), float(np.median(each)), float(np.percentile(each, 95)), min(each))
        for pair, each in ms.items()
    }
