"""The check fails what it must fail."""

from collections.abc import Callable, Collection

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.bench.made_input import make_pictures
from lseg_cli.config import ModelConfig
from lseg_cli.contract import Engine, GraphSpec, Output
from lseg_cli.errors import VerificationError
from lseg_cli.exporting.parity import check, compare, count_corners

Distort = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Fake:
    """Logits that depend on picture and labels, distorted."""

    device = "cpu"
    precision = "fp32"

    def __init__(self, spec: GraphSpec, distort: Distort = lambda logits: logits) -> None:
        self.spec = spec
        self._distort = distort

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        mean = image.mean(3, dtype=np.float32)[:, None] / 255
        logits = self._distort((mean * text[:, 0, None, None] + text[:, 1, None, None]).astype(np.float32))
        tensors: dict[str, NDArray[np.generic]] = {"logits": logits, "mask": logits.argmax(1).astype(np.int32)}
        return {name: tensors[name] for name in outputs}


@pytest.fixture
def spec(pyramid_config: ModelConfig) -> GraphSpec:
    return GraphSpec(model=pyramid_config, model_sha256="", height_px=32, width_px=64)


def engines(spec: GraphSpec, distort: Distort) -> tuple[Engine, Engine]:
    return Fake(spec), Fake(spec, distort)


def test_equal_engines_pass_at_every_corner(spec: GraphSpec) -> None:
    corners = list(compare(*engines(spec, lambda logits: logits)))
    check(corners, "fp32")
    assert len(corners) == count_corners(spec) == 10
    assert {(corner.batch, corner.labels) for corner in corners} >= {(1, 1), (3, 257), (1, 150), (3, 2), (1, 7)}
    assert {(corner.height_px, corner.width_px) for corner in corners} == {(32, 64)}


def test_a_graph_of_free_size_is_asked_at_two(pyramid_config: ModelConfig) -> None:
    free = GraphSpec(model=pyramid_config, model_sha256="", max_labels=7, max_batch=1)
    corners = list(compare(*engines(free, lambda logits: logits)))
    assert len({(corner.height_px, corner.width_px) for corner in corners}) == 2
    assert {(corner.batch, corner.labels) for corner in corners} == {(1, 1), (1, 2), (1, 7)}


def test_large_pictures_are_not_asked_with_more_than_memory_holds(pyramid_config: ModelConfig) -> None:
    assert count_corners(GraphSpec(model=pyramid_config, model_sha256="", height_px=480, width_px=480)) == 10
    assert count_corners(GraphSpec(model=pyramid_config, model_sha256="", height_px=1024, width_px=1024)) == 7


@pytest.mark.parametrize(
    "distort",
    [
        lambda logits: logits + np.float32(1e-3),
        lambda logits: logits * np.float32("nan"),
        lambda logits: -logits if logits.shape[:2] == (3, 257) else logits,
        lambda logits: np.roll(logits, 1, axis=0) if len(logits) > 1 else logits,
    ],
    ids=["shifted", "not a number", "one corner", "pictures mixed up"],
)
def test_what_differs_fails(distort: Distort, spec: GraphSpec) -> None:
    with pytest.raises(VerificationError, match="The exported model does not answer as its source") as error:
        check(list(compare(*engines(spec, distort))), "fp32")
    assert error.value.exit_code == 7


def test_half_precision_is_judged_by_labels(spec: GraphSpec) -> None:
    check(list(compare(*engines(spec, lambda logits: logits + np.float32(1e-3)))), "fp16")
    with pytest.raises(VerificationError, match=r"fp16 must have 99\.90% equal and logits within 0\.5"):
        check(list(compare(*engines(spec, lambda logits: -logits))), "fp16")


def test_one_pixel_between_two_labels_is_no_failure(spec: GraphSpec) -> None:
    def nudge(logits: NDArray[np.float32]) -> NDArray[np.float32]:
        logits[0, 0, 0, 0] += np.float32(1e-5)
        return logits

    check(list(compare(*engines(spec, nudge))), "fp32")


def test_a_lone_label_is_judged_by_its_logits(spec: GraphSpec) -> None:
    with pytest.raises(VerificationError, match=r"logits differ by up to 1 \(1 pictures of 32x64, 1 labels\)"):
        check(list(compare(*engines(spec, lambda logits: logits + (logits.shape[:2] == (1, 1))))), "fp16")


def test_half_precision_must_be_numbers(spec: GraphSpec) -> None:
    with pytest.raises(VerificationError):
        check(list(compare(*engines(spec, lambda logits: logits * np.float32("nan")))), "fp16")


def test_pictures_have_structure_and_range() -> None:
    pictures = make_pictures(3, 96, 160)
    assert pictures.shape == (3, 96, 160, 3)
    assert pictures.std() > 30
    assert not np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures, make_pictures(3, 96, 160))
