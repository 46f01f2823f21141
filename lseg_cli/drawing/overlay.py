"""A picture to look at: the photograph tinted with the colours of its labels, their names in a strip below it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lseg_cli.data.labels import LabelSet
from lseg_cli.drawing.fonts import Font, drawn

TINT = 0.5  # of the colour; the rest is the photograph
_OUTLINE = 0.75  # of white, where two labels meet
_DIM = 0.45  # of the light of what is not the one label shown
_MIN_WIDTH_PX = 280  # of the strip: the legend of a thumbnail must be readable too
_LEAST_SHARE = 0.001  # smaller ones are counted, not named
_MAX_ROWS = 12
_MAX_EMS = 13  # of a column: one long name must not cost all others their columns
_PAPER, _INK, _FAINT = (255, 255, 255), (28, 28, 30), (118, 118, 124)

Color = tuple[int, int, int]
Ids = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class _Entry:
    name: str
    share: str
    color: Color | None  # None: an empty box
    id: int | None = None  # drawn where no font has the name


def draw_overlay(
    picture: NDArray[np.uint8], ids: Ids, labels: LabelSet, colors: Sequence[Color], has_all_labels: bool = False
) -> Image.Image:
    """The tinted picture above its legend, which is as wide as the picture but never narrower than 280 px.

    Args:
        picture: (H, W, 3) RGB.
        ids: (H, W); pixels with the ignore id stay as they are.
        labels: what the ids mean.
        colors: of the labels, in order.
        has_all_labels: the legend names all labels in their order, without shares, so that it is the same below every
            frame of a film.
    """
    height, width = ids.shape
    pairs = zip(labels.names, colors, strict=True)
    entries = [_Entry(name, "", color) for name, color in pairs] if has_all_labels else _entries(ids, labels, colors)
    strip = _legend(entries, max(width, _MIN_WIDTH_PX))
    canvas = Image.new("RGB", (strip.width, height + strip.height), _PAPER)
    canvas.paste(Image.fromarray(tint(picture, ids, labels, colors)), ((strip.width - width) // 2, 0))
    canvas.paste(strip, (0, height))
    return canvas


def tint(
    picture: NDArray[np.uint8], ids: Ids, labels: LabelSet, colors: Sequence[Color], opacity: float = TINT
) -> NDArray[np.uint8]:
    """(H, W, 3) RGB and (H, W) ids -> (H, W, 3): colour over the photograph, a thin white line between labels.

    Args:
        picture: of H x W pixels.
        ids: pixels with the ignore id stay as they are.
        labels: what the ids mean.
        colors: of the labels, in order.
        opacity: of the colour, from 0 to 1.
    """
    tinted = cv2.addWeighted(picture, 1 - opacity, _table(labels, colors)[ids], opacity, 0)
    ignored = ids == labels.ignore_id
    tinted[ignored] = picture[ignored]
    edge = _edges(ids, 900)
    tinted[edge] = (tinted[edge] * (1 - _OUTLINE) + 255 * _OUTLINE).astype(np.uint8)
    return np.asarray(tinted, np.uint8)


def outline(picture: NDArray[np.uint8], ids: Ids, labels: LabelSet, colors: Sequence[Color]) -> NDArray[np.uint8]:
    """As `tint`, but of each label's area only the border is drawn, in its colour on a dark line."""
    drawn: NDArray[np.uint8] = picture.copy()
    drawn[_edges(ids, 160)] //= 4
    edge = _edges(ids, 300)
    edge &= ids != labels.ignore_id
    drawn[edge] = _table(labels, colors)[ids[edge]]
    return drawn


def alone(picture: NDArray[np.uint8], ids: Ids, label: int, color: Color, opacity: float = TINT) -> NDArray[np.uint8]:
    """As `tint`, of the one label that has this id; all else is grey and dim."""
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    drawn = np.asarray(cv2.addWeighted(grey, _DIM, grey, 0, 0), np.uint8)
    here = ids == label
    drawn[here] = (picture[here] * (1 - opacity) + np.array(color) * opacity).astype(np.uint8)
    edge = _edges(here.astype(np.uint8), 900)
    drawn[edge] = (drawn[edge] * (1 - _OUTLINE) + 255 * _OUTLINE).astype(np.uint8)
    return drawn


def heat_map(picture: NDArray[np.uint8], values: NDArray[np.float32], opacity: float = TINT) -> NDArray[np.uint8]:
    """(H, W, 3) RGB and (H, W) of any numbers -> (H, W, 3): the least dark blue, the greatest yellow, over grey."""
    least, greatest = float(values.min()), float(values.max())
    levels = ((values - least) * (255 / max(greatest - least, 1e-6))).astype(np.uint8)
    heat = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)  # also for the colour-blind
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(grey, 1 - opacity, heat, opacity, 0), np.uint8)


def _table(labels: LabelSet, colors: Sequence[Color]) -> NDArray[np.uint8]:
    """(ids, 3) colours by id."""
    table = np.zeros((labels.ignore_id + 1, 3), np.uint8)
    table[list(labels.ids)] = colors
    return table


def _edges(ids: Ids, fineness: int) -> NDArray[np.bool_]:
    """(H, W): where two labels meet; a line is as wide as the diagonal divided by `fineness`, at least a pixel."""
    is_edge = np.zeros(ids.shape, np.uint8)
    is_edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    is_edge[1:] |= ids[1:] != ids[:-1]
    thickness = max(1, round(math.hypot(*ids.shape) / fineness))  # as thin on a large picture shown small
    edge: NDArray[np.bool_] = cv2.dilate(is_edge, np.ones((thickness, thickness), np.uint8)).astype(np.bool_)
    return edge


def _entries(ids: Ids, labels: LabelSet, colors: Sequence[Color]) -> list[_Entry]:
    """Labels present, the largest first; the small ones as one entry, and the ignored pixels last."""
    values, counts = np.unique(ids, return_counts=True)
    share = dict(zip(values.tolist(), (counts / ids.size).tolist(), strict=True))
    ignored = share.pop(labels.ignore_id, 0.0)
    of_id = {label.id: (label.name, color) for label, color in zip(labels.labels, colors, strict=True)}
    named = sorted((id_ for id_, part in share.items() if part >= _LEAST_SHARE), key=lambda id_: (-share[id_], id_))
    entries = [_Entry(of_id[id_][0], _percent(share[id_]), of_id[id_][1], id_) for id_ in named]
    if len(named) < len(share):
        entries.append(_Entry(f"{len(share) - len(named)} more", f"below {_LEAST_SHARE:.1%}", None))
    if ignored:
        entries.append(_Entry("(no label)", _percent(ignored), None))
    return entries


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _legend(entries: list[_Entry], width_px: int) -> Image.Image:
    """A strip of boxes with names and shares in as many columns as fit."""
    size_px = min(96, max(13, round(width_px / 48)))
    pad_px, box_px, gap_px = size_px, round(size_px * 0.9), round(size_px * 0.45)

    room_px = width_px - 2 * pad_px
    longest = max(
        font.getlength(f"{name}  {entry.share}") for entry in entries for name, font in [_text(entry, size_px)]
    )
    widest = min(longest, _MAX_EMS * size_px) + box_px + gap_px
    columns = max(1, min(len(entries), int((room_px + pad_px) // (widest + pad_px))))
    if len(entries) > columns * _MAX_ROWS:
        shown = columns * _MAX_ROWS - 1
        entries = [*entries[:shown], _Entry(f"{len(entries) - shown} more", "", None)]
    line_px = round(size_px * 1.55)
    strip = Image.new("RGB", (width_px, line_px * math.ceil(len(entries) / columns) + pad_px), _PAPER)
    draw = ImageDraw.Draw(strip)
    for number, entry in enumerate(entries):
        row, column = divmod(number, columns)
        left, middle = pad_px + column * room_px // columns, pad_px // 2 + row * line_px + line_px // 2
        box = (left, middle - box_px // 2, left + box_px, middle - box_px // 2 + box_px)
        draw.rounded_rectangle(
            box, box_px // 5, fill=entry.color, outline=None if entry.color else _FAINT, width=max(1, size_px // 20)
        )
        left += box_px + gap_px
        name, font = _text(entry, size_px)
        share_px = font.getlength("  " + entry.share)
        name = _shorten(name, font, room_px / columns - box_px - gap_px - share_px - pad_px / 2)
        draw.text((left, middle), name, fill=_INK, font=font, anchor="lm")
        draw.text((left + font.getlength(name + "  "), middle), entry.share, fill=_FAINT, font=font, anchor="lm")
    return strip


def _text(entry: _Entry, size_px: int) -> tuple[str, Font]:
    return drawn(entry.name, "?" if entry.id is None else f"id {entry.id}", size_px)


def _shorten(name: str, font: Font, room_px: float) -> str:
    if font.getlength(name) <= room_px:
        return name
    while name and font.getlength(name + "...") > room_px:
        name = name[:-1]
    return name + "..."
