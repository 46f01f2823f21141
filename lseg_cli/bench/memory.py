"""How much memory an engine takes at its peak: in a process of its own, in which nothing else is loaded.

On the CPU that is all of the process (interpreter, runtime, weights and activations). On a GPU it is by how much the
memory grows that its driver reports as in use; runtimes keep what they once took, so the end is the peak. Other work
there blurs it.
"""

import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import psutil
import pynvml

from lseg_cli.bench.latency import Workload
from lseg_cli.contract import Engine
from lseg_cli.errors import DataError

_RUNS = 2  # of each workload: some runtimes plan their memory after the first
_MIB = 2**20


@dataclass(frozen=True)
class PeakMemory:
    """Peak memory in MiB; None where it is not known, and for a GPU that is not used."""

    host_mib: int | None
    device_mib: int | None


def measure_memory(open_engine: Callable[[], Engine], workloads: Sequence[Workload]) -> PeakMemory:
    """Opens an engine in a new process and runs it.

    Args:
        open_engine: can be pickled.
        workloads: run one after the other.

    Raises:
        LsegError: as `open_engine` and as the engine.
        DataError: the process was killed, which is what happens when the memory is full.
    """
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(_measure, open_engine, workloads).result()
    except BrokenProcessPool as error:
        raise DataError("An engine's process was killed: the memory is full; take a smaller --imgsz.") from error


def _measure(open_engine: Callable[[], Engine], workloads: Sequence[Workload]) -> PeakMemory:
    before = device_mib()
    engine = open_engine()
    for workload in workloads:
        for _ in range(_RUNS):
            workload.run(engine)
    after = device_mib()
    uses_gpu = engine.device.startswith(("cuda", "tensorrt")) and before is not None and after is not None
    return PeakMemory(
        host_peak_mib(), after - before if uses_gpu and after is not None and before is not None else None
    )


def host_peak_mib() -> int | None:
    """Return the most that this process held in memory at once; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():  # psutil knows no peak on Linux, and ru_maxrss begins with what the parent held
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) // 1024
    if sys.platform == "darwin":
        import resource  # noqa: PLC0415  not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _MIB
    peak: int | None = getattr(psutil.Process().memory_info(), "peak_wset", None)
    return None if peak is None else peak // _MIB


def device_mib() -> int | None:
    """Return the memory in use on all NVIDIA GPUs of this machine; None without one."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver
        return None
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        used = [int(pynvml.nvmlDeviceGetMemoryInfo(handle).used) for handle in handles]
    except pynvml.NVMLError:  # a driver that does not say
        return None
    finally:
        pynvml.nvmlShutdown()
    return sum(used) // _MIB if used else None
