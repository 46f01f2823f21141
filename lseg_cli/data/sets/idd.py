"""IDD, roads of India: polygons, drawn one over the other in the order of their file; 26 classes, its level 3.

Facts: anue_labels.py (hierarchy) and evaluate_mIoU.py (names of level 3) of github.com/AutoNUE/public-code.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import BaseModel, Field

from lseg_cli.data.masks import IGNORE, IndexMask
from lseg_cli.data.sets.json_files import read_json
from lseg_cli.data.sets.known import TRAIN_VAL, KnownSet, SetFolder, mirrored, pictures
from lseg_cli.data.split import Dataset

CLASSES = (
    "road", "drivable fallback", "sidewalk", "non-drivable fallback", "person", "rider", "motorcycle", "bicycle",
    "autorickshaw", "car", "truck", "bus", "vehicle fallback", "curb", "wall", "fence", "guard rail", "billboard",
    "traffic sign", "traffic light", "pole", "obs-str-bar-fallback", "building", "bridge", "vegetation", "sky",
)  # fmt: skip
_MERGED = {  # labels of the finest level whose class has another name
    "parking": "drivable fallback",
    "rail track": "non-drivable fallback",
    "animal": "person",
    "caravan": "vehicle fallback",
    "trailer": "vehicle fallback",
    "train": "vehicle fallback",
    "polegroup": "pole",
    "tunnel": "bridge",
    "fallback background": "sky",
}
_VOID = ("unlabeled", "ego vehicle", "rectification border", "out of roi", "license plate")
_ID_OF = {
    **{name: k for k, name in enumerate(CLASSES)},
    **{name: CLASSES.index(merged) for name, merged in _MERGED.items()},
    **dict.fromkeys(_VOID, IGNORE),
}
_MAX_PX = 2**15
_GROUP = "group"  # `cargroup`: several that could not be told apart


_Coordinate = Annotated[float, Field(ge=-_MAX_PX, le=_MAX_PX)]  # which is no NaN either


class _Object(BaseModel):
    label: str
    polygon: list[tuple[_Coordinate, _Coordinate]]
    deleted: bool = False


class _Frame(BaseModel):
    width: int = Field(alias="imgWidth", gt=0, le=_MAX_PX)
    height: int = Field(alias="imgHeight", gt=0, le=_MAX_PX)
    objects: list[_Object]


def rasterise(path: Path, notes: list[str] | None = None) -> NDArray[np.uint8]:
    """(H, W) ids of a file of polygons: later ones lie on top; what none covers is ignored.

    Args:
        path: of the file.
        notes: takes a sentence on a label that is none of IDD's, whose polygons are passed over.

    Raises:
        DataError: it cannot be read; names the file.
    """
    frame = read_json(path, _Frame, "a file of polygons")
    canvas = Image.new("L", (frame.width, frame.height), IGNORE)
    draw = ImageDraw.Draw(canvas)
    for one in frame.objects:
        label = one.label if one.label in _ID_OF else one.label.removesuffix(_GROUP)
        if label not in _ID_OF:
            note = f"The label '{one.label}' is none of IDD's; its polygons are passed over."
            if notes is not None and note not in notes:
                notes.append(note)
            continue
        if not one.deleted and len(one.polygon) > 2:
            draw.polygon(one.polygon, fill=_ID_OF[label])
    return np.asarray(canvas)


def _list(home: SetFolder) -> Dataset:
    folder, masks = home.find(f"leftImg8bit/{home.split}"), home.find(f"gtFine/{home.split}")
    images = pictures(folder)
    dataset = partial(Dataset, home.known.name, CLASSES, IGNORE, tuple(images))
    drawn = mirrored(images, folder, masks, ("_leftImg8bit", "_gtFine_labellevel3Ids.png"))
    if drawn[0].is_file():
        return dataset(drawn, IndexMask.of({IGNORE: IGNORE, **{k: k for k in range(len(CLASSES))}}))
    notes: list[str] = []
    found = mirrored(images, folder, masks, ("_leftImg8bit", "_gtFine_polygons.json"))
    return dataset(found, partial(rasterise, notes=notes), notes=notes)


IDD = KnownSet(
    name="idd",
    layout="leftImg8bit/{train,val}/DRIVE/…_leftImg8bit.png (or .jpg) and gtFine/{train,val}/DRIVE/"
    "…_gtFine_polygons.json (or …_gtFine_labellevel3Ids.png)",
    list=_list,
    splits=TRAIN_VAL,
)
