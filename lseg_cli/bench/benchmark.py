"""A benchmark of engines: peak memory of each alone, then latency side by side, and the share of the machine's peak."""

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lseg_cli import __version__
from lseg_cli.bench.latency import Latency, Turn, Workload, race, summarise
from lseg_cli.bench.memory import PeakMemory, measure_memory
from lseg_cli.contract import Engine
from lseg_cli.extras import has

if TYPE_CHECKING:
    from lseg_cli.bench.matmul import MatmulPeak


class Bench:
    """Iterate for turns, then ask for the report."""

    def __init__(
        self,
        openers: Mapping[str, Callable[[], Engine]],
        workloads: Sequence[Workload],
        rounds: int,
        threads: int | None = None,
        with_memory: bool = True,
    ) -> None:
        """Measures memory, in processes of their own, and opens the engines.

        Args:
            openers: of the engines, by name; they can be pickled.
            workloads: what each of them does.
            rounds: timed runs of each at each workload.
            threads: of the CPU, for the matrix products; the engines have theirs.
            with_memory: whether to measure it.

        Raises:
            LsegError: as an opener and as an engine.
        """
        self._workloads, self._rounds, self._threads = workloads, rounds, threads
        self._memory = {
            name: measure_memory(opener, workloads) if with_memory else PeakMemory(None, None)
            for name, opener in openers.items()
        }
        self._engines = {name: opener() for name, opener in openers.items()}
        first = next(iter(self._engines.values()))
        self._peak = _open_peak(first.device if first.device.startswith("cuda") else "cpu", threads)
        self._turns: list[Turn] = []

    def __len__(self) -> int:
        """How many turns there are."""
        return len(self._engines) * len(self._workloads) * self._rounds

    def __iter__(self) -> Iterator[Turn]:
        """Takes turn after turn.

        Raises:
            LsegError: as an engine.
        """
        for turn in race(self._engines, self._workloads, self._rounds, self._probe):
            self._turns.append(turn)
            yield turn

    def report(self) -> dict[str, Any]:
        """All figures; every value fits into JSON."""
        engines = {
            name: {
                "device": engine.device,
                "precision": engine.precision,
                "model": engine.spec.model.name,
                "peak_memory": asdict(self._memory[name]),
            }
            for name, engine in self._engines.items()
        }
        return {
            "lseg": __version__,
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "threads": self._threads,
            "matmul_peak_gflop_per_s": round(self._peak.flop_per_s / 1e9, 1) if self._peak else None,
            "engines": engines,
            "results": self._results(),
        }

    def _probe(self) -> None:
        if self._peak is not None:
            self._peak.probe()

    def _results(self) -> list[dict[str, Any]]:
        """A row for each workload and engine.

        `to_first` is relative to the first engine at the same workload, `to_fewest` to the first workload of the same
        engine; both of the medians as they are shown.
        """
        latencies = summarise(self._turns)
        shown_ms = {key: round(latency.median_ms, 3) for key, latency in latencies.items()}
        names, first_workload = list(self._engines), self._workloads[0]
        rows = []
        for (workload, name), latency in sorted(
            latencies.items(), key=lambda item: (self._workloads.index(item[0][0]), names.index(item[0][1]))
        ):
            rows.append(
                {
                    "engine": name,
                    **{key: value for key, value in asdict(workload).items() if key != "outputs"},
                    "outputs": list(workload.outputs),
                    **{key: round(value, 3) for key, value in asdict(latency).items()},
                    "pictures_per_s": round(1000 * workload.batch / latency.median_ms, 3),
                    "to_first": _ratio(shown_ms[workload, name], shown_ms[workload, names[0]]),
                    "to_fewest": _ratio(shown_ms[workload, name], shown_ms[first_workload, name]),
                    **self._share(name, workload, latency),
                }
            )
        return rows

    def _share(self, name: str, workload: Workload, latency: Latency) -> dict[str, float]:
        """The work in the plain formulation, and the share of the machine's peak at which it is done.

        Both are counted and measured in PyTorch; without it they are left out.
        """
        if self._peak is None:
            return {}
        from lseg_cli.bench.flops import plain_flops  # noqa: PLC0415  PyTorch

        config = self._engines[name].spec.model
        flops = workload.batch * plain_flops(config, workload.height_px, workload.width_px, workload.labels)
        rate = flops / (latency.median_ms / 1000)
        return {"plain_gflop": round(flops / 1e9, 3), "share_of_peak": round(rate / self._peak.flop_per_s, 4)}


def _open_peak(device: str, threads: int | None) -> "MatmulPeak | None":
    """The rate of matrix products of a device, in PyTorch; None where that is not installed."""
    if not has("torch"):
        return None
    from lseg_cli.bench.matmul import MatmulPeak  # noqa: PLC0415  PyTorch

    return MatmulPeak(device, threads)


def _ratio(value_ms: float, to_ms: float) -> float:
    """Three digits of a ratio; what took no time that can be shown is as fast as it gets."""
    return round(value_ms / max(to_ms, 1e-3), 3)
