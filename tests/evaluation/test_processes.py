import numpy as np
import pytest
import torch

from lseg_cli.engine_choice import EngineChoice
from lseg_cli.evaluation.processes import Processes


def test_every_picture_is_one_processs(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [list(Processes(index, 3).turns(8)) for index in range(3)]
    assert turns == [[0, 3, 6], [1, 4, 7], [2, 5]]
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Processes.here() == Processes(0, 1, 0)


def test_alone_the_sum_is_ones_own() -> None:
    numbers = np.array([1, 2])
    assert Processes().summed(numbers) is numbers


@pytest.mark.parametrize(
    ("device", "has_gpu", "expected"),
    [
        ("auto", True, "cuda:2"),
        ("cuda", True, "cuda:2"),
        ("cuda:0", True, "cuda:0"),
        ("auto", False, "auto"),
        ("cpu", True, "cpu"),
    ],
)
def test_each_process_of_a_machine_gets_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch, device: str, has_gpu: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    choice = EngineChoice("some", device=device, threads=3)
    assert Processes(6, 8, 2).own(choice) == EngineChoice("some", device=expected, threads=3)
    assert Processes().own(choice) == choice
