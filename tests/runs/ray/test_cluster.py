"""How many workers a cluster has room for, and what each of them takes."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lseg_cli.data.labels import LabelSet
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import MissingError
from lseg_cli.runs.options import SegmentOptions
from lseg_cli.runs.ray.cluster import find_room
from lseg_cli.runs.segment import SegmentWork


def refuse(*_options: object) -> Any:
    raise NotImplementedError


def room(
    machines: list[dict[str, float]], workers: int | None, options: dict[str, Any]
) -> tuple[int, int, dict[str, float]]:
    """(threads, workers, resources) on machines with these resources."""
    asked = SegmentOptions(inputs=(), labels="sky", engine=EngineChoice(**options), ray="auto", ray_workers=workers)
    work = SegmentWork(asked, LabelSet.of(["sky"]), np.ones((1, 16), np.float32), refuse)
    ray = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": each} for each in machines])
    return find_room(ray, work)


class TestRoom:
    @pytest.mark.parametrize(
        ("machines", "workers", "options", "expected"),
        [
            ([{"CPU": 2}], None, {}, (2, 1, {"num_cpus": 2})),
            ([{"CPU": 2}], 2, {}, (1, 2, {"num_cpus": 1})),
            ([{"CPU": 16}, {"CPU": 6}], None, {}, (4, 5, {"num_cpus": 4})),
            ([{"CPU": 16}], None, {"threads": 2}, (2, 8, {"num_cpus": 2})),
            ([{"CPU": 16, "GPU": 4}, {"CPU": 8}], None, {}, (4, 4, {"num_cpus": 4, "num_gpus": 1})),
            ([{"CPU": 8, "GPU": 1}], None, {"device": "cpu"}, (4, 2, {"num_cpus": 4})),
        ],
    )
    def test_a_worker_takes_what_its_machine_has(
        self,
        machines: list[dict[str, float]],
        workers: int | None,
        options: dict[str, Any],
        expected: tuple[int, int, dict[str, float]],
    ) -> None:
        assert room(machines, workers, options) == expected

    def test_a_gpu_that_is_not_there_is_told(self) -> None:
        with pytest.raises(MissingError, match="has a GPU"):
            room([{"CPU": 2}], None, {"device": "cuda"})
