"""Pieces of HTML for the page. What people type may hold anything, so the templates escape all of it."""

import base64
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lseg_cli.app.folder import Progress
from lseg_cli.app.workbench import Chip, Shown
from lseg_cli.data.labels import LabelSet
from lseg_cli.drawing.overlay import Color, Ids

_HERE = Path(__file__).parent
_MAP_PX = 320  # long side of the map of what lies under the pointer
_NO_LABEL = 0xFFFF
_MOST_IN_LEGEND = 24
ACTS = (
    ("up", "\u2191", "Move up"),
    ("down", "\u2193", "Move down"),
    ("alone", "\u25ce", "Show alone"),
    ("heat", "\u25d0", "Show the heat map of"),
    ("remove", "\u2715", "Remove"),
)
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_STATUS = _ENVIRONMENT.from_string(
    '<div role="status" aria-live="polite">{% for text in wrong %}<p class="lseg-wrong">{{ text }}</p>{% endfor %}'
    "{% for text in texts %}<p>{{ text }}</p>{% endfor %}</div>"
)
_BEST = _ENVIRONMENT.from_string(
    '<div aria-live="polite"><table class="lseg-best"><caption>{{ title }}</caption>'
    '<thead><tr><th scope="col">Label</th><th scope="col">Probability</th></tr></thead><tbody>'
    "{% for name, share in rows %}<tr><td>{{ name }}</td><td>{{ share }}</td></tr>{% endfor %}</tbody></table></div>"
)
_LEGEND = _ENVIRONMENT.from_string(
    '<ul class="lseg-legend" aria-label="{{ title }}">{% for name, color, share in rows %}'
    '<li><span class="lseg-swatch" style="background: {{ color }}"></span>{{ name }} {{ share }}</li>{% endfor %}</ul>'
)
_PROGRESS = _ENVIRONMENT.from_string(
    '<div role="status" aria-live="polite"><p>{{ text }}</p>{% if total %}'
    '<progress class="lseg-bar" max="{{ total }}" value="{{ done }}" aria-label="Pictures done"></progress>'
    "<p>{{ done }} of {{ total }} pictures{% if failed %}, {{ failed }} failed{% endif %}</p>{% endif %}"
    "{% for name, share in shares %}<span>{{ name }} {{ share }}{{ ', ' if not loop.last }}</span>{% endfor %}</div>"
)


def script(name: str) -> str:
    """A script or a style of this folder."""
    return (_HERE / name).read_text("utf-8")


def status(*texts: str, wrong: Sequence[str] = ()) -> str:
    """Sentences that a screen reader reads out: first what is wrong."""
    return _STATUS.render(texts=texts, wrong=wrong)


def chip_list(text: str, chips: Sequence[Chip]) -> str:
    """Labels as a list whose entries can be changed.

    Args:
        text: that was read.
        chips: of its labels.
    """
    rows = [
        {
            "name": chip.name,
            "text": chip.text,
            "color": css_color(chip.color),
            "figures": _figures(chip),
            "notices": chip.notices,
        }
        for chip in chips
    ]
    return _ENVIRONMENT.get_template("chips.html.j2").render(text=text, chips=rows, acts=ACTS)


def best_table(rows: Sequence[tuple[str, float]], row: int, column: int) -> str:
    """The best labels of a pixel."""
    title = f"The best labels at column {column}, row {row} of the picture as shown"
    return _BEST.render(title=title, rows=[(name, f"{share:.1%}") for name, share in rows])


def legend(shown: Sequence[Sequence[Chip]], title: str) -> str:
    """Names, colours and mean shares of labels in some pictures, the largest first.

    Args:
        shown: the same labels of each picture.
        title: for screen readers.
    """
    means = [(sum(chip.share or 0.0 for chip in same) / len(same), same[0]) for same in zip(*shown, strict=True)]
    ranked = sorted(means, key=lambda pair: -pair[0])[:_MOST_IN_LEGEND]
    rows = [(chip.name, css_color(chip.color), percent(share)) for share, chip in ranked if share]
    return _LEGEND.render(title=title, rows=rows)


def progress_bar(progress: Progress) -> str:
    """How far a run is, and at its end what it found."""
    shares = [(name, percent(share)) for name, share in progress.shares]
    return _PROGRESS.render(
        text=progress.text,
        total=progress.total,
        done=progress.done + progress.failed,
        failed=progress.failed,
        shares=shares,
    )


def pointer_map(ids: Ids, labels: LabelSet) -> dict[str, Any]:
    """What `pointer.js` names: positions of labels in a small picture of them."""
    scale = min(1.0, _MAP_PX / max(ids.shape))
    size = max(1, round(ids.shape[1] * scale)), max(1, round(ids.shape[0] * scale))
    small = cv2.resize(ids.astype(np.uint16), size, interpolation=cv2.INTER_NEAREST)
    position = np.full(labels.ignore_id + 1, _NO_LABEL, "<u2")
    position[list(labels.ids)] = np.arange(len(labels.ids))
    packed = base64.b64encode(zlib.compress(position[small].tobytes(), 1)).decode()
    return {"height": size[1], "width": size[0], "names": list(labels.names), "map": packed}


def summary(shown: Shown) -> str:
    """What a screen reader says of the picture."""
    chips = sorted(shown.chips, key=lambda chip: -(chip.share or 0.0))
    parts = [f"{chip.name} {percent(chip.share)}" for chip in chips if chip.share][:8]
    return "Result: " + ", ".join(parts or ["no label anywhere"])


def css_color(color: Color) -> str:
    """As CSS writes it."""
    return "#" + bytes(color).hex()


def percent(share: float) -> str:
    """A share for people: whole percent, of small ones a decimal."""
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.0%}" if share >= 0.1 or not share else f"{share:.1%}"


def _figures(chip: Chip) -> str:
    if chip.share is None:
        return ""
    sure = "" if chip.confidence is None else f" \u00b7 {chip.confidence:.2f}"
    return f"{percent(chip.share)}{sure}"
