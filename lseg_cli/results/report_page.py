"""A folder report as one HTML page: no network, no script, nothing beside it.

Names may hold anything, so all is escaped; and by its content security policy the page loads only what it carries.
"""

import base64
import csv
import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lseg_cli import __version__
from lseg_cli.drawing.palette import colors
from lseg_cli.files import atomic
from lseg_cli.results.formats import shown_as_text
from lseg_cli.results.report import FolderReport, Picture
from lseg_cli.results.thumbnail import make_thumbnail

_MOST_BARS = 40
_ROW_PX, _NAME_PX, _BAR_PX, _VALUE_PX = 24, 210, 500, 190
_MOST_CHARS = 28  # of a name in the plot
_LEAST_SHARE = 0.01  # of a label below a picture
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1c1c1e; --faint: #6b6b73; --line: #dcdce0; --paper: #fff; --card: #f5f5f7 }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #ececf0; --faint: #9a9aa4; --line: #3a3a40; --paper: #161618; --card: #222226 }}
}}
body {{ font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  padding: 24px; max-width: 1180px; overflow-wrap: anywhere }}
h1 {{ font-size: 24px; margin: 0 0 4px }}
h2 {{ font-size: 18px; margin: 36px 0 10px }}
p {{ margin: 4px 0 }}
.faint, figcaption {{ color: var(--faint) }}
.notice {{ border-left: 4px solid #d97706; padding: 4px 10px; background: var(--card); margin: 8px 0 }}
table {{ border-collapse: collapse }}
th, td {{ text-align: left; padding: 4px 18px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top }}
th {{ font-weight: 600 }}
.number {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }}
.box {{ display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px;
  border: 1px solid var(--line) }}
.legend span {{ white-space: nowrap; margin-right: 16px }}
.sheet {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 16px; margin-top: 14px }}
figure {{ margin: 0; background: var(--card); border-radius: 8px; overflow: hidden }}
figure img {{ width: 100%; height: 170px; object-fit: contain; display: block; background: #0000000d }}
figcaption {{ padding: 6px 10px 10px; font-size: 12px }}
figcaption b {{ display: block; color: var(--ink); font-weight: 500 }}
svg {{ width: 100%; max-width: 900px; height: auto }}
svg text {{ font: 13px system-ui, sans-serif; fill: var(--ink) }}
svg .faint {{ fill: var(--faint) }}
</style>
</head>
<body>
"""


def write_page(path: Path, report: FolderReport) -> list[str]:
    """Writes the page; what there is to say of its pictures.

    Raises:
        DataError: it cannot be written.
        MissingError: the disk is full or read-only.
    """
    notices: list[str] = []
    with atomic(path) as draft, draft.open("wb") as file:
        for part in _page(report, notices):
            file.write(part.encode("utf-8", "backslashreplace"))  # a name may be no UTF-8
    return notices


def write_rows(path: Path, report: FolderReport) -> None:
    """The table of labels as CSV; raises as `write_page`."""
    with atomic(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(
            file, ("label", "id", "pictures", "pixels", "share", "mean_share"), extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows({**row, "label": shown_as_text(row["label"])} for row in report.rows)


def _page(report: FolderReport, notices: list[str]) -> Iterator[str]:
    failed = sum(report.failed.values())
    title = f"lseg report: {report.folder.resolve().name}"
    yield _HEAD.format(title=_text(title))
    yield f"<h1>{_text(report.folder.resolve().name)}</h1>\n"
    facts = [f"{report.pictures:,} pictures", f"{report.pixels / 1e6:,.1f} megapixels", f"{failed:,} failed"]
    facts += [f"{key} {value}" for key, value in report.facts.items()]
    yield f'<p class="faint">{_text(" · ".join(facts))}</p>\n<p class="faint">{_text(report.folder.resolve())}</p>\n'
    for notice in report.notices:
        yield f'<p class="notice">{_text(notice)}</p>\n'
    if report.pictures:
        yield "<h2>Share of each label</h2>\n" + _plot(report)
        yield from _sheet(report, notices)
        yield "<h2>Labels</h2>\n" + _label_table(report)
        stages = [
            (row["stage"], f"{row['seconds']:,.1f} s", f"{row['share']:.1%}", f"{row['ms_per_picture']:,.1f} ms")
            for row in report.stages
        ]
        yield '<h2>Time per stage</h2>\n<p class="faint">Stages run side by side: their sum is above the clock.</p>\n'
        yield _table(("stage", "time", "share", "per picture"), stages)
    if failed:
        yield from _failures(report, failed)
    yield f'<p class="faint">lseg {__version__}</p>\n</body>\n</html>\n'


def _plot(report: FolderReport) -> str:
    """A bar per label: its share of all pixels, with a tick at its mean share over the pictures."""
    rows = [row for row in report.rows if row["pixels"]]
    shown = rows[:_MOST_BARS]
    longest = max((max(row["share"], row["mean_share"]) for row in shown), default=0.0) or 1.0
    parts = []
    for number, row in enumerate(shown):
        top, middle = number * _ROW_PX, number * _ROW_PX + _ROW_PX // 2
        name = row["label"] if len(row["label"]) <= _MOST_CHARS else row["label"][: _MOST_CHARS - 1] + "…"
        length = row["share"] / longest * _BAR_PX
        tick = _NAME_PX + row["mean_share"] / longest * _BAR_PX
        parts.append(
            f"<g><title>{_text(row['label'])}: {row['share']:.2%} of all pixels, {row['mean_share']:.2%} of a picture "
            f"on average, in {row['pictures']:,} pictures</title>"
            f'<text x="{_NAME_PX - 10}" y="{middle + 4}" text-anchor="end">{_text(name)}</text>'
            f'<rect x="{_NAME_PX}" y="{top + 3}" width="{max(length, 1):.1f}" height="{_ROW_PX - 6}" rx="2" '
            f'fill="{row["color"] or "transparent"}" stroke="#8888"/>'
            f'<path d="M{tick:.1f} {top + 1}v{_ROW_PX - 2}" stroke="currentColor" stroke-width="2"/>'
            f'<text x="{_NAME_PX + max(length, tick - _NAME_PX) + 8:.1f}" y="{middle + 4}">{row["share"]:.1%}'
            f'<tspan class="faint" dx="8">in {row["pictures"]:,}</tspan></text></g>\n'
        )
    width, height = _NAME_PX + _BAR_PX + _VALUE_PX, max(len(shown), 1) * _ROW_PX
    more = f" The {len(rows) - len(shown)} smallest are in the table below." if len(rows) > len(shown) else ""
    return (
        '<p class="faint">Bar: of all pixels. Line: of a picture, on average. Then the number of pictures in which the '
        f"label appears.{more}</p>\n"
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Share of each label">\n{"".join(parts)}</svg>\n'
    )


def _sheet(report: FolderReport, notices: list[str]) -> Iterator[str]:
    pictures = list(report.sheet)
    if not pictures:
        return
    palette = colors(report.label_set)
    kinds = [0, 0]  # without a mask, without the picture
    yield f'<h2>Pictures</h2>\n<p class="faint">{len(pictures)} of {report.pictures:,}, evenly over the folder.</p>\n'
    seen = [row for row in report.rows if row["pictures"]]
    legend = "".join(f"<span>{_box(row)}{_text(row['label'])}</span> " for row in seen)
    yield f'<p class="legend">{legend}</p>\n<div class="sheet">\n'
    for picture in pictures:
        thumbnail = make_thumbnail(report.folder, picture, report.label_set, palette)
        kinds[0] += thumbnail is None
        kinds[1] += thumbnail is not None and thumbnail.kind == "mask"
        image = '<p class="notice">Its mask is gone.</p>'
        if thumbnail is not None:
            data = base64.b64encode(thumbnail.jpeg).decode()
            image = f'<img alt="{_text(picture.source)}" src="data:image/jpeg;base64,{data}">'
        yield f"<figure>{image}<figcaption>{_caption(report, picture)}</figcaption></figure>\n"
    yield "</div>\n"
    for count, what in zip(
        kinds,
        (
            "Not shown, for their masks are gone",
            "Shown by their masks, for the pictures are gone or have changed since",
        ),
        strict=True,
    ):
        if count:
            notices.append(f"{what}: {count} of {len(pictures)}.")
            yield f'<p class="notice">{notices[-1]}</p>\n'


def _caption(report: FolderReport, picture: Picture) -> str:
    largest = sorted(((share, name) for name, share in picture.share.items() if share >= _LEAST_SHARE), reverse=True)
    shares = ", ".join(f"{name} {share:.0%}" for share, name in largest[:4])
    size = f"{picture.width_px} x {picture.height_px}"
    return f"<b>{_text(Path(picture.source).name)}</b>{_text(size)}<br>{_text(shares)}"


def _label_table(report: FolderReport) -> str:
    rows = [
        (
            _Markup(f"{_box(row)}{_text(row['label'])}"),
            str(row["id"]),
            f"{row['pictures']:,}",
            f"{row['pixels']:,}",
            f"{row['share']:.2%}",
            f"{row['mean_share']:.2%}",
        )
        for row in report.rows
    ]
    return _table(("label", "id", "pictures", "pixels", "share", "mean share"), rows)


def _failures(report: FolderReport, failed: int) -> Iterator[str]:
    stages = ", ".join(f"{count:,} at {stage}" for stage, count in report.failed.items())
    yield f'<h2>Failures</h2>\n<p class="faint">{_text(f"{failed:,} pictures: {stages}")}.</p>\n'
    rows = [(failure.stage, failure.source, failure.error) for failure in report.failures]
    yield _table(("stage", "picture", "error"), rows, numbers=False)
    if failed > len(rows):
        yield f'<p class="faint">{failed - len(rows):,} more are in failures.jsonl.</p>\n'


class _Markup(str):
    """Text that is HTML already."""


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = True) -> str:
    """Cells are escaped, but for markup; with `numbers` all columns but the first are aligned as such."""
    mark = ' class="number"' if numbers else ""
    head = "".join(f"<th{mark if index else ''}>{_text(name)}</th>" for index, name in enumerate(columns))
    lines = (
        "".join(
            f"<td{mark if index else ''}>{cell if isinstance(cell, _Markup) else _text(cell)}</td>"
            for index, cell in enumerate(row)
        )
        for row in rows
    )
    return f"<table>\n<tr>{head}</tr>\n" + "".join(f"<tr>{line}</tr>\n" for line in lines) + "</table>\n"


def _box(row: dict[str, Any]) -> str:
    return f'<i class="box" style="background: {row["color"] or "transparent"}"></i>'


def _text(value: Any) -> str:
    return html.escape(str(value))
