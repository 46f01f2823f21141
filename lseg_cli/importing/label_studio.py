"""Label Studio's JSON export: polygons and boxes in percent of the picture, brushes as packed RGBA.

Facts: label_studio_sdk/converter/brush.py (`decode_rle`) of github.com/HumanSignal/label-studio-sdk.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from lseg_cli.importing.areas import Area, ellipse, polygon, rectangle
from lseg_cli.importing.labelled import Labelled, Source
from lseg_cli.importing.options import ImportOptions
from lseg_cli.importing.reading import Pictures, read_json

_MOST_PX = 2**15
_WITH_AREA = ("polygonlabels", "rectanglelabels", "ellipselabels", "brushlabels")


class _Result(BaseModel):
    type: str
    value: dict[str, Any] = Field(default_factory=dict)
    width: int = Field(1, alias="original_width", gt=0, le=_MOST_PX)
    height: int = Field(1, alias="original_height", gt=0, le=_MOST_PX)


class _Annotation(BaseModel):
    result: list[_Result]
    was_cancelled: bool = False


class _Task(BaseModel):
    data: dict[str, Any]
    annotations: list[_Annotation] = Field(default_factory=list)


def read(options: ImportOptions) -> Source:
    """Read an export (the kind called JSON, not JSON-MIN); raises DataError for a file that is something else."""
    tasks: list[_Task] = read_json(options.source, list[_Task], "a JSON export of Label Studio")
    source = Source(options.source.stem, (), ())
    source.pictures = list(_labelled(tasks, options, source))
    return source


def _labelled(tasks: list[_Task], options: ImportOptions, source: Source) -> Iterator[Labelled]:
    pictures = Pictures(options.images, options.source.parent)
    for task in tasks:
        done = [each for each in task.annotations if not each.was_cancelled]
        if not done:
            source.notes["Tasks without an annotation, passed over"] += 1
            continue
        source.notes["Second and later annotations of a task, passed over"] += len(done) - 1
        found = done[0].result
        areas = source.areas(
            options.source, found, _area, lambda result: f"Results of kind {result.type}, which have no area"
        )
        size = next(((each.height, each.width) for each in reversed(found) if _label(each)), None)
        name = next((value for value in task.data.values() if isinstance(value, str)), "")
        yield Labelled(pictures.find(str(task.data.get("image", name))), areas, size)


def _label(result: _Result) -> str | None:
    """Return the label of what has an area."""
    labels = result.value.get(result.type)
    return str(labels[0]) if labels and result.type in _WITH_AREA else None


def _area(result: _Result) -> Area | None:
    value, name = result.value, _label(result)
    if name is None:
        return None
    scale = np.array([result.width, result.height]) / 100
    if result.type == "polygonlabels":
        return Area(name, (polygon((np.array(value["points"], np.float64) * scale).ravel()),))
    if result.type == "brushlabels":
        rgba = unpack_brush(value["rle"], result.height * result.width * 4)
        return Area(name, bits=rgba.reshape(result.height, result.width, 4)[..., 3] > 0)
    x, y = float(value["x"]) * scale[0], float(value["y"]) * scale[1]
    if result.type == "ellipselabels":
        corners = ellipse(x, y, float(value["radiusX"]) * scale[0], float(value["radiusY"]) * scale[1])
    else:
        corners = rectangle(x, y, x + float(value["width"]) * scale[0], y + float(value["height"]) * scale[1])
    turn = np.deg2rad(float(value.get("rotation", 0)))
    around, rotation = np.array([x, y]), np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return Area(name, ((corners - around) @ rotation + around,))


def unpack_brush(packed: list[int], most: int) -> NDArray[np.uint8]:
    """Return the bytes of a brush: (H * W * 4,) of RGBA.

    Args:
        packed: bytes of a stream of bits: a count, a word's width, four widths of run lengths, then runs and literals.
        most: how many there must be.

    Raises:
        ValueError: the stream ends early, or claims another size.
    """
    bits = np.unpackbits(np.array(packed, np.uint8))
    at = 0

    def take(width: int) -> int:
        nonlocal at
        if at + width > len(bits):
            raise ValueError("its brush ends in the middle")
        value = int("".join(map(str, bits[at : at + width])) or "0", 2)
        at += width
        return value

    count, word = take(32), take(5) + 1
    widths = [take(4) + 1 for _ in range(4)]
    if count != most:
        raise ValueError(f"its brush has {count} values, the picture {most}")
    found = np.zeros(count, np.uint8)
    done = 0
    while done < count:
        is_run = take(1)
        end = min(done + 1 + take(widths[take(2)]), count)
        if is_run:
            found[done:end] = take(word)
        else:
            found[done:end] = [take(word) for _ in range(end - done)]
        done = end
    return found
