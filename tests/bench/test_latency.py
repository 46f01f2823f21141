"""Engines side by side: who runs when, and what becomes of the times. No test asks how long anything takes."""

from collections.abc import Collection

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.bench import latency
from lseg_cli.bench.latency import Latency, Turn, Workload, race, summarise
from lseg_cli.config import ModelConfig
from lseg_cli.contract import Engine, GraphSpec, Output
from lseg_cli.errors import MismatchError

FEW, MANY = Workload(1, 3, 64, 96), Workload(1, 150, 64, 96)


class Recorder:
    """An engine that notes what it is asked for."""

    device, precision = "cpu", "fp32"

    def __init__(self, name: str, config: ModelConfig, calls: list[tuple[str, int]]) -> None:
        self.spec = GraphSpec(model=config, model_sha256="")
        self._name, self._calls = name, calls
        self.outputs: Collection[Output] = ()

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        self.spec.check(image, text)
        self._calls.append((self._name, len(text)))
        self.outputs = outputs
        return {}


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_SETTLE_S", 0)


@pytest.fixture
def calls() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def engines(pyramid_config: ModelConfig, calls: list[tuple[str, int]]) -> dict[str, Engine]:
    return {name: Recorder(name, pyramid_config, calls) for name in ("a", "b")}


def test_engines_take_turns_after_a_warm_up(engines: dict[str, Engine], calls: list[tuple[str, int]]) -> None:
    turns = list(race(engines, [FEW], 3, lambda: calls.append(("between", 0))))
    assert "".join(name[-1] for name, _ in calls) == "ab" + "n" + "ab" + "n" + "ba" + "n" + "ab" + "n"
    assert [turn.engine for turn in turns] == ["a", "b", "b", "a", "a", "b"]
    assert all(turn.ms > 0 for turn in turns)


def test_a_new_shape_is_run_once_untimed(engines: dict[str, Engine], calls: list[tuple[str, int]]) -> None:
    turns = list(race(engines, [FEW, MANY], 1, lambda: None))
    assert calls[:4] == [("a", 3), ("b", 3), ("a", 150), ("b", 150)]
    assert calls[4:] == [pair for pair in calls[:4] for _ in range(2)]
    assert [turn.workload for turn in turns] == [FEW, FEW, MANY, MANY]


def test_the_mask_alone_is_asked_for(engines: dict[str, Engine]) -> None:
    list(race(engines, [FEW], 1, lambda: None))
    recorder = engines["a"]
    assert isinstance(recorder, Recorder)
    assert recorder.outputs == ("mask",)


def test_what_an_engine_does_not_take_is_its_sentence(engines: dict[str, Engine]) -> None:
    with pytest.raises(MismatchError, match="multiples of 32"):
        list(race(engines, [Workload(1, 3, 100, 96)], 1, lambda: None))


def test_times_are_summarised_by_workload_and_engine() -> None:
    turns = [Turn("a", FEW, float(ms)) for ms in range(1, 102)] + [Turn("b", FEW, 7.0), Turn("a", MANY, 8.0)]
    assert summarise(turns) == {
        (FEW, "a"): Latency(101, 51.0, 96.0, 1.0),
        (FEW, "b"): Latency(1, 7.0, 7.0, 7.0),
        (MANY, "a"): Latency(1, 8.0, 8.0, 8.0),
    }
