"""COCO-Panoptic: 133 things and stuff. A pixel's colour is the number of a segment; the JSON file says what that is.

A segment's number is R + 256 G + 65536 B; 0 is nothing. Names lose what only COCO's authors need: `-merged`, `-other`,
`-stuff`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from pydantic.dataclasses import dataclass as slotted

from lseg_cli.data.masks import IGNORE, read_colours, unlabelled
from lseg_cli.data.packed_masks import PackedMasks
from lseg_cli.data.sets.json_files import read_json
from lseg_cli.data.sets.known import TRAIN_VAL, KnownSet, SetFolder
from lseg_cli.data.split import Dataset
from lseg_cli.errors import DataError

_ENDINGS = ("-merged", "-other", "-stuff")


class _Category(BaseModel):
    id: int
    name: str


class _Image(BaseModel):
    id: int
    file_name: str


@slotted(slots=True)  # a million of them
class _Segment:
    id: int
    category_id: int


class _Annotation(BaseModel):
    image_id: int
    file_name: str
    segments_info: list[_Segment]


class _Panoptic(BaseModel):
    categories: list[_Category]
    images: list[_Image]
    annotations: list[_Annotation]


@dataclass(frozen=True, eq=False)
class PanopticMask:
    """Colours looked up among the segments of their own picture, which lie one after another in two flat arrays."""

    starts: dict[str, tuple[int, int]]  # by the mask's file name: its part of the arrays
    segments: NDArray[np.int64]  # numbers, ascending within a picture; the first is 0, which is nothing
    ids: NDArray[np.uint8]
    packed: PackedMasks | None = None  # where the masks are; None: they are files

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """(H, W) ids; raises DataError for a segment that the JSON file does not name."""
        colours = (read_colours(path) if self.packed is None else self.packed.colours(path)).astype(np.int64)
        numbers = colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]
        start, end = self.starts[path.name]
        known = self.segments[start:end]
        at = np.searchsorted(known, numbers).clip(max=len(known) - 1)
        strange = known[at] != numbers
        if strange.any():
            raise unlabelled(path, f"{numbers[strange][0]} (a segment)")
        return np.asarray(self.ids[start:end][at], np.uint8)


def class_name(name: str) -> str:
    """`floor-other-merged` -> `floor`, `wall-brick` -> `wall brick`."""
    while name.endswith(_ENDINGS):
        name = name.rpartition("-")[0]
    return name.replace("-", " ")


def _list(home: SetFolder) -> Dataset:
    path = home.find(f"annotations/panoptic_{home.split}.json")
    masks, packed = _masks(home, f"panoptic_{home.split}")
    images = home.find(f"images/{home.split}", home.split)
    panoptic = _read(path)
    names = {image.id: image.file_name for image in panoptic.images}
    number = {category.id: k for k, category in enumerate(panoptic.categories)}
    annotations = sorted(panoptic.annotations, key=lambda one: one.file_name)
    try:
        found = tuple(images / names[one.image_id] for one in annotations)
        decode = _decoder(annotations, number, packed)
    except KeyError as error:
        raise DataError(f"{path} names the picture or category {error}, which it does not list.") from error
    classes = tuple(class_name(category.name) for category in panoptic.categories)
    files = tuple(masks / one.file_name for one in annotations)
    holds = packed.holds if packed else Path.is_file
    return Dataset(home.known.name, classes, IGNORE, found, files, decode, holds=holds)


def _masks(home: SetFolder, name: str) -> tuple[Path, PackedMasks | None]:
    """Find the masks inside `annotations` as in COCO's archive, or beside it: a folder, or still a zip file."""
    path = home.find(f"annotations/{name}", name, f"annotations/{name}.zip", f"{name}.zip")
    return path, None if path.is_dir() else PackedMasks(path)


def _read(path: Path) -> _Panoptic:
    panoptic = read_json(path, _Panoptic, "a panoptic annotation")
    if not panoptic.annotations or not 0 < len(panoptic.categories) < IGNORE:
        raise DataError(
            f"{path} lists {len(panoptic.annotations)} pictures and {len(panoptic.categories)} categories; at least "
            f"one of each is needed, and at most {IGNORE - 1} categories."
        )
    return panoptic


def _decoder(annotations: list[_Annotation], number: dict[int, int], packed: PackedMasks | None) -> PanopticMask:
    starts: dict[str, tuple[int, int]] = {}
    segments: list[int] = []
    ids: list[int] = []
    for one in annotations:
        begin = len(segments)
        for segment, class_id in sorted([(0, IGNORE), *((s.id, number[s.category_id]) for s in one.segments_info)]):
            segments.append(segment)
            ids.append(class_id)
        starts[one.file_name] = begin, len(segments)
    return PanopticMask(starts, np.array(segments, np.int64), np.array(ids, np.uint8), packed)


COCO_PANOPTIC = KnownSet(
    name="coco-panoptic",
    layout="images/{train,val}2017, annotations/panoptic_{train,val}2017.json and their masks in "
    "annotations/panoptic_{train,val}2017 or panoptic_{train,val}2017, folders or zip files",
    list=_list,
    splits={split: f"{name}2017" for split, name in TRAIN_VAL.items()},
)
