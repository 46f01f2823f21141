"""A machine with a GPU and one of the TensorRTs, as far as code can tell."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.fake_tensorrt import GPU, VERSIONS, HostDevice, World


@pytest.fixture
def make_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], World]:
    """Puts a version in place of what is installed, and a GPU."""

    def make(version: str) -> World:
        world = World(version)
        monkeypatch.setitem(sys.modules, world.trt.__name__, world.trt)
        for module in ("builder", "flavour"):
            monkeypatch.setattr(f"lseg_engines.tensorrt.{module}.find_gpus", lambda: [GPU])
        monkeypatch.setattr("lseg_engines.tensorrt.engine.CudaDevice", HostDevice)
        monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
        return world

    return make


@pytest.fixture(params=VERSIONS)
def machine(request: pytest.FixtureRequest, make_machine: Callable[[str], World]) -> World:
    """One of every version whose names are known."""
    return make_machine(request.param)
