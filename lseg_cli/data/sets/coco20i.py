"""COCO-20i: the 80 things of COCO in four folds, interleaved: fold i holds out classes i, i + 4, i + 8, ...

Masks are HSNet's: 0 for nothing, k + 1 for class k. What training sees of them is said in `lseg_cli.data.sets.pascal`.
"""

from lseg_cli.data.fold_lists import find_list, read_classwise
from lseg_cli.data.masks import IGNORE
from lseg_cli.data.sets.known import TRAIN_VAL, KnownSet, SetFolder
from lseg_cli.data.sets.pascal import only
from lseg_cli.data.sets.vocabulary import known_names
from lseg_cli.data.split import Dataset

FOLDS, COUNT = 4, 80


def held_out(fold: int) -> list[int]:
    """The classes of a fold, from 0: every fourth."""
    return list(range(fold, COUNT, FOLDS))


def _list(home: SetFolder) -> Dataset:
    unseen = held_out(home.fold)
    is_val = home.split == "val"
    classes = unseen if is_val else [number for number in range(COUNT) if number not in unseen]
    path = find_list(home.lists, home.root, "coco", f"{'val' if is_val else 'trn'}/fold{home.fold}")
    names = sorted({name for listed in read_classwise(path, COUNT).values() for name in listed})
    masks = home.find("annotations")
    labels = known_names("coco-official").at(classes)
    return Dataset(
        home.known.name,
        labels.classes,
        IGNORE,
        tuple(home.base / name for name in names),
        tuple((masks / name).with_suffix(".png") for name in names),
        only(classes, COUNT),
        labels.prompts,
    )


COCO_20I = KnownSet(
    name="coco20i",
    layout="COCO2014/{train2014,val2014}, their masks in COCO2014/annotations/{train2014,val2014} and, unless they lie "
    "elsewhere, HSNet's lists in splits/coco/{trn,val}/fold{0,1,2,3}.pkl",
    list=_list,
    splits=TRAIN_VAL,
    containers=("COCO2014",),
    folds=FOLDS,
)
