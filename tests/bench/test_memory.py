"""Peak memory in a process of its own."""

import os
import sys
from collections.abc import Collection
from functools import partial
from types import SimpleNamespace

import numpy as np
import pynvml
import pytest
from numpy.typing import NDArray

from lseg_cli.bench.latency import Workload
from lseg_cli.bench.memory import device_mib, measure_memory
from lseg_cli.config import PRESETS
from lseg_cli.contract import GraphSpec, Output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import DataError, MismatchError
from lseg_engines.opener import open_engine

WORKLOADS = [Workload(1, 3, 64, 96)]


class Hog:
    """An engine that holds so many MiB while it runs, and nothing afterwards."""

    device, precision = "cpu", "fp32"
    spec = GraphSpec(model=PRESETS["lseg-tiny"], model_sha256="")

    def __init__(self, mib: int) -> None:
        self._mib = mib

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        self.spec.check(image, text)
        if self._mib < 0:
            os._exit(9)
        np.ones(self._mib * 2**20, np.uint8)
        return {}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process's peak this way")
def test_the_peak_is_that_of_the_engine_alone() -> None:
    ballast = np.ones(512 * 2**20, np.uint8)  # of this process: not the engine's
    small, large = (measure_memory(partial(Hog, mib), WORKLOADS).host_mib for mib in (1, 257))
    assert small is not None
    assert large is not None
    assert small < ballast.nbytes / 2**20
    assert 200 < large - small < 300


def test_a_process_that_dies_is_told() -> None:
    with pytest.raises(DataError, match="the memory is full"):
        measure_memory(partial(Hog, -1), WORKLOADS)


def test_what_an_engine_refuses_comes_back_as_its_sentence() -> None:
    with pytest.raises(MismatchError, match="multiples of 32"):
        measure_memory(partial(Hog, 1), [Workload(1, 3, 60, 96)])


def test_the_memory_of_all_gpus_is_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(used=(300 + handle) * 2**20),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(pynvml, name, fake)
    assert device_mib() == 601


@pytest.mark.parametrize("failing", ["nvmlInit", "nvmlDeviceGetCount"])
def test_a_driver_that_does_not_answer_has_no_figure(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    for name in ("nvmlInit", "nvmlShutdown"):
        monkeypatch.setattr(pynvml, name, lambda: None)
    monkeypatch.setattr(pynvml, failing, fail)
    assert device_mib() is None


@pytest.mark.gpu
def test_on_a_gpu_its_memory_is_told_as_well() -> None:
    import torch  # noqa: PLC0415  above, it would be in the memory of every engine of this file

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    peak = measure_memory(partial(open_engine, EngineChoice(device="cuda")), WORKLOADS)
    assert peak.device_mib is not None
    assert peak.device_mib > 20
