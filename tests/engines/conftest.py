"""A machine with a GPU and one of the TensorRTs, as far as code can tell."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.fake_tensorrt import GPU, VERSIONS, HostDevice, World


def put_machine(version: str, patch: pytest.MonkeyPatch, cache: Path) -> World:
    """Puts a version in place of what is installed, and a GPU."""
    world = World(version)
    patch.setitem(sys.modules, world.trt.__name__, world.trt)
    for module in ("builder", "flavour"):
        patch.setattr(f"lseg_engines.tensorrt.{module}.find_gpus", lambda: [GPU])
    patch.setattr("lseg_engines.tensorrt.engine.CudaDevice", HostDevice)
    patch.setenv("LSEG_CACHE", str(cache))
    return world


@pytest.fixture
def make_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], World]:
    """Puts machines in place, one after the other."""
    return lambda version: put_machine(version, monkeypatch, tmp_path / "cache")


@pytest.fixture(params=VERSIONS)
def machine(request: pytest.FixtureRequest, make_machine: Callable[[str], World]) -> World:
    """One of every version whose names are known."""
    return make_machine(request.param)
