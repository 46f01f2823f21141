"""A folder report as one HTML page: no network, no script, nothing beside it. The page is `report.html.j2`.

Names may hold anything, so the template escapes all; and by its content security policy the page loads only what it
carries.
"""

import base64
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lseg_cli import __version__
from lseg_cli.drawing.palette import colors
from lseg_cli.files import atomic
from lseg_cli.results.formats import shown_as_text
from lseg_cli.results.report import FolderReport, Picture
from lseg_cli.results.thumbnail import make_thumbnail

_TEMPLATE = "report.html.j2"
_MOST_BARS = 40
_ROW_PX, _NAME_PX, _BAR_PX, _VALUE_PX = 24, 210, 500, 190
_MOST_CHARS = 28  # of a name in the plot
_LEAST_SHARE = 0.01  # of a label below a picture
_COLUMNS = ("label", "id", "pictures", "pixels", "share", "mean_share")


def write_page(path: Path, report: FolderReport) -> list[str]:
    """Write the page, and return notices on its pictures.

    Raises:
        DataError: it cannot be written.
        MissingError: the disk is full or read-only.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sheet = _Sheet(report)
    with atomic(path) as draft, draft.open("wb") as file:
        # Part by part: the pictures in it need not be in memory together.
        for part in environment.get_template(_TEMPLATE).generate(_values(report, sheet)):
            file.write(part.encode("utf-8", "backslashreplace"))  # a name may be no UTF-8
    return sheet.notices()


def write_rows(path: Path, report: FolderReport) -> None:
    """Write the table of labels as CSV; raises as `write_page`."""
    with atomic(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "label": shown_as_text(row["label"])} for row in report.rows)


class _Sheet:
    """The pictures of the page, made small one after the other as the template asks for them."""

    def __init__(self, report: FolderReport) -> None:
        self._report = report
        self._pictures = list(report.sheet)
        self._without_mask = self._without_picture = 0

    @property
    def count(self) -> int:
        """The number of pictures."""
        return len(self._pictures)

    def figures(self) -> Iterator[dict[str, str]]:
        """Each with its image as a data URL; '' where its mask is missing."""
        palette = colors(self._report.label_set)
        for picture in self._pictures:
            thumbnail = make_thumbnail(self._report.folder, picture, self._report.label_set, palette)
            image = ""
            if thumbnail is None:
                self._without_mask += 1
            else:
                self._without_picture += thumbnail.kind == "mask"
                image = f"data:image/jpeg;base64,{base64.b64encode(thumbnail.jpeg).decode()}"
            yield {
                "source": picture.source,
                "name": Path(picture.source).name,
                "image": image,
                "size": f"{picture.width_px} x {picture.height_px}",
                "shares": _shares(picture),
            }

    def notices(self) -> list[str]:
        """Return sentences on what was missing, once all figures have been made."""
        kinds = (
            (self._without_mask, "Not shown, because their masks are missing"),
            (self._without_picture, "Shown by their masks, because the pictures are missing or have changed since"),
        )
        return [f"{what}: {count} of {self.count}." for count, what in kinds if count]


def _values(report: FolderReport, sheet: _Sheet) -> dict[str, Any]:
    """All that the template names, numbers as they are shown."""
    failed = sum(report.failed.values())
    facts = [f"{report.pictures:,} pictures", f"{report.pixels / 1e6:,.1f} megapixels", f"{failed:,} failed"]
    stages = ", ".join(f"{count:,} at {stage}" for stage, count in report.failed.items())
    rows = [(failure.stage, failure.source, failure.error) for failure in report.failures]
    return {
        "name": report.folder.resolve().name,
        "folder": str(report.folder.resolve()),
        "facts": facts + [f"{key} {value}" for key, value in report.facts.items()],
        "notices": report.notices,
        "pictures": f"{report.pictures:,}" if report.pictures else "",
        "plot": _plot(report),
        "sheet": sheet,
        "labels": [_label(row) for row in report.rows],
        "stages": [
            (row["stage"], f"{row['seconds']:,.1f} s", f"{row['share']:.1%}", f"{row['ms_per_picture']:,.1f} ms")
            for row in report.stages
        ],
        "failures": {
            "count": failed,
            "summary": f"{failed:,} pictures: {stages}.",
            "rows": rows,
            "more": f"{failed - len(rows):,}" if failed > len(rows) else "",
        },
        "version": __version__,
    }


def _plot(report: FolderReport) -> dict[str, Any]:
    """A bar per label: its share of all pixels, with a tick at its mean share over the pictures."""
    rows = [row for row in report.rows if row["pixels"]]
    shown = rows[:_MOST_BARS]
    longest = max((max(row["share"], row["mean_share"]) for row in shown), default=0.0) or 1.0
    return {
        "width": _NAME_PX + _BAR_PX + _VALUE_PX,
        "height": max(len(shown), 1) * _ROW_PX,
        "left": _NAME_PX,
        "row": _ROW_PX,
        "more": len(rows) - len(shown),
        "bars": [_bar(row, number * _ROW_PX, _BAR_PX / longest) for number, row in enumerate(shown)],
    }


def _bar(row: dict[str, Any], top: int, px_per_share: float) -> dict[str, Any]:
    length, mean = row["share"] * px_per_share, row["mean_share"] * px_per_share
    return {
        "title": f"{row['label']}: {row['share']:.2%} of all pixels, {row['mean_share']:.2%} of a picture on average, "
        f"in {row['pictures']:,} pictures",
        "name": row["label"] if len(row["label"]) <= _MOST_CHARS else row["label"][: _MOST_CHARS - 1] + "…",
        "color": row["color"],
        "top": top,
        "middle": top + _ROW_PX // 2,
        "length": f"{max(length, 1):.1f}",
        "tick": f"{_NAME_PX + mean:.1f}",
        "value_at": f"{_NAME_PX + max(length, mean) + 8:.1f}",
        "share": f"{row['share']:.1%}",
        "pictures": f"{row['pictures']:,}",
    }


def _label(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table of labels, and of the legend."""
    cells = (
        str(row["id"]),
        f"{row['pictures']:,}",
        f"{row['pixels']:,}",
        f"{row['share']:.2%}",
        f"{row['mean_share']:.2%}",
    )
    return {"label": row["label"], "color": row["color"], "pictures": row["pictures"], "cells": cells}


def _shares(picture: Picture) -> str:
    largest = sorted(((share, name) for name, share in picture.share.items() if share >= _LEAST_SHARE), reverse=True)
    return ", ".join(f"{name} {share:.0%}" for share, name in largest[:4])
