import pytest

from lseg_cli.config import PRESETS, RegularizerConfig
from lseg_cli.evaluation.paper import find_fact


@pytest.mark.parametrize(
    ("preset", "data", "protocol", "fold", "mean_iou", "source"),
    [
        ("lseg-rn101", "pascal5i", "pascal5i", 0, 0.528, "table 1"),
        ("lseg-vitl16", "pascal5i", "pascal5i", None, 0.523, "table 1"),
        ("lseg-rn101", "coco20i", "coco20i", 3, 0.215, "table 2"),
        ("lseg-vitl16", "fss1000", "fss1000", None, 0.878, "table 3"),
        ("lseg-vitb32", "ade20k", "lseg-paper", None, 0.3783, "table 5"),
        ("lseg-vitl16", "ade20k-official", "lseg-paper", None, 0.4628, "table 6"),
        ("lseg-vitl16-rn50x16", "ade20k", "lseg-paper", None, 0.4725, "table 6"),
    ],
)
def test_the_papers_figures(
    preset: str, data: str, protocol: str, fold: int | None, mean_iou: float, source: str
) -> None:
    fact = find_fact(PRESETS[preset], data, protocol, fold)
    assert fact is not None
    assert (fact.mean_iou, fact.source) == (mean_iou, source)


def test_the_ablation_is_told_by_kind_and_depth() -> None:
    block = RegularizerConfig(kind="bottleneck", depth=2)
    fact = find_fact(PRESETS["lseg-vitb32"].model_copy(update={"regularizer": block}), "ade20k", "lseg-paper")
    assert fact is not None
    assert (fact.mean_iou, fact.pixel_accuracy, fact.source) == (0.3979, 0.7970, "table 4")


@pytest.mark.parametrize(
    ("preset", "data", "protocol"),
    [
        ("lseg-tiny", "ade20k", "lseg-paper"),
        ("lseg-vitl16", "camvid", "lseg-paper"),
        ("lseg-vitl16", "ade20k", "whole"),
    ],
)
def test_nothing_is_said_of_what_the_paper_did_not_measure(preset: str, data: str, protocol: str) -> None:
    assert find_fact(PRESETS[preset], data, protocol) is None
