"""Two models that are compared see pictures at one size, or it is said that they do not."""

import pytest

from lseg_cli.config import ModelConfig
from lseg_cli.contract import GraphSpec
from lseg_cli.evaluation.options import EvalOptions
from lseg_cli.evaluation.segmentation_run import other_sizes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (EvalOptions(data="x"), "at different sizes, 96 and 64x64 px, which changes figures too; --imgsz 64x64 gives"),
        (EvalOptions(data="x", imgsz=320), "at different sizes, 320 and 64x64 px"),
        (EvalOptions(data="x", imgsz=(64, 64)), ""),
        (EvalOptions(data="x", protocol="slide"), ""),  # its windows are of one size
    ],
)
def test_a_graph_of_one_size_beside_one_of_any(pyramid_config: ModelConfig, options: EvalOptions, said: str) -> None:
    any_size = GraphSpec(model=pyramid_config, model_sha256="0" * 64, max_batch=4, max_labels=256)
    fixed = any_size.model_copy(update={"height_px": 64, "width_px": 64})
    assert other_sizes(options, [any_size, any_size]) == other_sizes(options, [fixed, fixed]) == []
    notices = other_sizes(options, [any_size, fixed])
    assert len(notices) == bool(said)
    assert said in "".join(notices)
