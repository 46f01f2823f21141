"""`lseg eval` as it is seen: a table of classes, then the figures of the whole set."""

import sys
from collections.abc import Mapping
from typing import Any

from lseg_cli.console.facts import show_facts, show_table


def show_evaluation(report: Mapping[str, Any], as_json: bool) -> None:
    """The report of an evaluation on stdout: tables, or one JSON object."""
    if as_json:
        show_facts(report, as_json)
        return
    results = report["results"]
    titles = ["IoU"] if len(results) == 1 else [result["model"] for result in results]
    rows = []
    for name in results[0]["class_iou"]:
        row = {"class": name} | {
            title: _share(result["class_iou"][name]) for title, result in zip(titles, results, strict=True)
        }
        if "comparison" in report:
            row["difference"] = _signed(report["comparison"]["class_iou"][name])
        rows.append(row)
    show_table(rows, as_json=False)
    sys.stdout.write("\n")
    for result in results:
        show_facts(_facts(report, result), as_json=False)
    if "comparison" in report:
        comparison = report["comparison"]
        sys.stdout.write(
            f"mIoU {_signed(comparison['mean_iou'])} from the first to the second; "
            f"{comparison['equal_labels']:.4%} of pixels have equal labels\n"
        )


_NAMES = {
    "mean_iou": "mIoU",
    "fb_iou": "FB-IoU",
    "pixel_accuracy": "pixel accuracy",
    "seen_iou": "mIoU, seen classes",
    "unseen_iou": "mIoU, unseen classes",
    "no_label": "without a label",
    "extra": "with an extra label",
}


def _facts(report: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, str]:
    data = f"{report['data']} {report['split']}, {report['pictures']} pictures, {report['protocol']['name']}"
    facts = {"model": f"{result['model']} on {result['device']}, {result['precision']}", "data": data}
    is_asked = {"no_label": report.get("min_confidence"), "extra": report.get("extra_labels")}
    for key, name in _NAMES.items():
        if result.get(key) is not None and is_asked.get(key, True):
            facts[name] = _share(result[key])
    for name, share in result.get("rejected", {}).items():
        facts[f"{name}, rejected"] = _share(share)
    if paper := result.get("paper"):
        figures = [f"{_NAMES[key]} {_share(paper[key])}" for key in _NAMES if paper.get(key) is not None]
        facts["the paper"] = f"{', '.join(figures)} ({paper['source']})"
    return facts


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
