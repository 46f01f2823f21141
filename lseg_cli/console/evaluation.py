"""`lseg eval` as it is seen: a table of classes, then the figures of the whole set."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lseg_cli.console.facts import show_facts, show_table
from lseg_cli.console.terminal import Console

_NAMES = {
    "mean_iou": "mIoU",
    "fb_iou": "FB-IoU",
    "pixel_accuracy": "pixel accuracy",
    "seen_iou": "mIoU, seen classes",
    "unseen_iou": "mIoU, unseen classes",
    "asked_iou": "mIoU, classes asked for",
    "no_label": "without a label",
    "extra": "with an extra label",
}


def show_evaluation(report: Mapping[str, Any], as_json: bool) -> None:
    """The report of an evaluation on stdout: tables, or one JSON object."""
    if as_json:
        show_facts(report, as_json)
        return
    results, comparison, mean = report["results"], report.get("comparison"), report.get("mean")
    for group in [results] if comparison else [[result] for result in results]:
        _show_classes(group, comparison)
        for result in group:
            sys.stdout.write("\n")
            show_facts(_facts(report, result), as_json=False)
        sys.stdout.write("\n")
    if comparison:
        sys.stdout.write(
            f"mIoU {_signed(comparison['mean_iou'])} from the first to the second; "
            f"{comparison['equal_labels']:.4%} of pixels have equal labels.\n"
        )
    if mean:
        show_facts({"of": f"{len(results)} folds, the mean", **_figures(report, mean)}, as_json=False)


def name_next(report: Mapping[str, Any], console: Console) -> None:
    """Name the command that follows where one model of one's own was measured."""
    models = [str(result["model"]) for result in report["results"]]
    if len(models) == 1 and models[0].endswith(".safetensors"):
        console.note(f"Next: lseg export {models[0]}")


def _show_classes(results: Sequence[Mapping[str, Any]], comparison: Mapping[str, Any] | None) -> None:
    titles = ["IoU"] if len(results) == 1 else [f"IoU {number}" for number in range(1, len(results) + 1)]
    rows = []
    for name in results[0]["class_iou"]:
        ious = [_share(result["class_iou"][name]) for result in results]
        difference = {"difference": _signed(comparison["class_iou"][name])} if comparison else {}
        rows.append({"class": name, **dict(zip(titles, ious, strict=True)), **difference})
    show_table(rows, as_json=False)


def _facts(report: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, str]:
    device = f" on {result['device']}, {result['precision']}" if "device" in result else ""
    part = f"fold {result['fold']}" if result.get("fold") is not None else report["split"]
    pictures = f"{result.get('pictures', report['pictures'])} pictures"
    data = ", ".join(filter(None, (report["data"], part, pictures, f"protocol {report['protocol']['name']}")))
    return {"model": f"{result['model']}{device}", "data": data, **_figures(report, result)}


def _figures(report: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, str]:
    is_asked = {"no_label": report.get("min_confidence"), "extra": report.get("extra_labels")}
    facts = {
        name: _share(result[key])
        for key, name in _NAMES.items()
        if result.get(key) is not None and is_asked.get(key, True)
    }
    facts |= {f"{name}, rejected": _share(share) for name, share in result.get("rejected", {}).items()}
    if paper := result.get("paper"):
        figures = [f"{_NAMES[key]} {_share(paper[key])}" for key in _NAMES if paper.get(key) is not None]
        facts["the paper"] = f"{', '.join(figures)} ({paper['source']})"
    return facts


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
