"""Cityscapes: 19 of its 34 ids are classes. Masks are `_labelTrainIds.png` where someone made them, or `_labelIds.png`.

Facts: labels.py of github.com/mcordts/cityscapesScripts.
"""

from lseg_cli.data.masks import IGNORE, IndexMask
from lseg_cli.data.sets.known import TRAIN_VAL, KnownSet, SetFolder, mirrored, pictures
from lseg_cli.data.split import Dataset

CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # of the classes
_ID_COUNT = 34


def _list(home: SetFolder) -> Dataset:
    folder, masks = (
        home.find(f"{kind}/{home.split}", f"{kind}_trainvaltest/{kind}/{home.split}")
        for kind in ("leftImg8bit", "gtFine")
    )
    images = pictures(folder)
    found = mirrored(images, folder, masks, ("_leftImg8bit", "_gtFine_labelTrainIds.png"))
    decode = IndexMask.of({IGNORE: IGNORE, **{k: k for k in range(len(CLASSES))}})
    if not found[0].is_file():
        found = mirrored(images, folder, masks, ("_leftImg8bit", "_gtFine_labelIds.png"))
        others = dict.fromkeys([*range(_ID_COUNT), IGNORE], IGNORE)
        decode = IndexMask.of({**others, **{raw: k for k, raw in enumerate(_LABEL_IDS)}})
    return Dataset(home.known.name, CLASSES, IGNORE, tuple(images), found, decode)


CITYSCAPES = KnownSet(
    name="cityscapes",
    layout="leftImg8bit/{train,val}/CITY/…_leftImg8bit.png and gtFine/{train,val}/CITY/…_gtFine_labelIds.png (each in "
    "a folder named after its archive, or not)",
    list=_list,
    splits=TRAIN_VAL,
)
