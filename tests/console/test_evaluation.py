from typing import Any

import pytest

from lseg_cli.console.evaluation import name_next, show_evaluation
from lseg_cli.console.terminal import Console

PAPER = {"mean_iou": 0.613, "pixel_accuracy": None, "fb_iou": None, "source": "table 1"}


def result(**more: Any) -> dict[str, Any]:
    figures = {"mean_iou": 0.25, "fb_iou": 0.5, "class_iou": {"cat": 0.25, "dog": None}, "paper": None}
    return {"model": "m.onnx", "device": "cpu", "precision": "fp32", **figures, **more}


def report(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"data": "set", "split": "val", "pictures": 9, "protocol": {"name": "whole"}, "results": results, **more}


def test_a_model_of_ones_own_is_exported_next(capsys: pytest.CaptureFixture[str]) -> None:
    name_next(report(result(model="runs/a/weights/best.safetensors")), Console())
    assert capsys.readouterr().err == "Next: lseg export runs/a/weights/best.safetensors\n"
    name_next(report(result()), Console())
    name_next(report(result(model="a.safetensors"), result(model="b.safetensors")), Console())
    assert capsys.readouterr().err == ""


def test_a_table_of_classes_and_the_figures_of_the_set(capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(report(result(no_label=0.0, extra=0.0)), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "class  IoU",
        "cat    0.2500",
        "dog    -",
        "",
        "model   m.onnx on cpu, fp32",
        "data    set, val, 9 pictures, protocol whole",
        "mIoU    0.2500",
        "FB-IoU  0.5000",
        "",
    ]


def test_what_was_asked_for_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    one = result(no_label=0.1, extra=0.2, seen_iou=0.3, unseen_iou=None, rejected={"dog": 0.75})
    show_evaluation(report(one, min_confidence=0.5, extra_labels=["lava"]), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "mIoU, seen classes   0.3000" in lines
    assert "without a label      0.1000" in lines
    assert "with an extra label  0.2000" in lines
    assert "dog, rejected        0.7500" in lines


def test_the_papers_figure_stands_beside_ours_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    folds = [result(fold=fold, pictures=1000, paper=PAPER) for fold in (0, 1)]
    mean = {"mean_iou": 0.2, "fb_iou": 0.4, "paper": {**PAPER, "mean_iou": 0.523, "fb_iou": 0.67}}
    show_evaluation(report(*folds, split=None, mean=mean), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("the paper  mIoU 0.6130 (table 1)") == 2
    assert "data       set, fold 1, 1000 pictures, protocol whole" in lines
    assert lines[-4:] == [
        "of         2 folds, the mean",
        "mIoU       0.2000",
        "FB-IoU     0.4000",
        "the paper  mIoU 0.5230, FB-IoU 0.6700 (table 1)",
    ]


def test_two_models_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    comparison = {"equal_labels": 0.5, "mean_iou": 0.1, "class_iou": {"cat": 0.1, "dog": None}}
    show_evaluation(
        report(result(), result(class_iou={"cat": 0.35, "dog": None}), comparison=comparison), as_json=False
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "class  IoU 1   IoU 2   difference",
        "cat    0.2500  0.3500  +0.1000",
        "dog    -       -       -",
    ]
    assert lines[-1] == "mIoU +0.1000 from the first to the second; 50.0000% of pixels have equal labels."
