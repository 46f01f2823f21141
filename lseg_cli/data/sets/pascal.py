"""PASCAL VOC 2012 with its additional masks, whole (`pascal`) and cut into four folds of five classes (`pascal5i`).

Masks are palettes or grey: 0 for what is none of the 20 classes, 255 for the border of things, which is ignored.

A fold's classes are held out of training. As in the original code, which taught two labels at a time, a pixel of
training is the class in question or "others": in a training mask all but the seen classes are ignored (held-out ones,
background, border), and a recipe with `labels: {other: 1}` teaches "other" there, so no mask says a held-out name.
"""

from collections.abc import Sequence

from lseg_cli.data.fold_lists import find_list, read_lines, read_pairs
from lseg_cli.data.masks import IGNORE, IndexMask
from lseg_cli.data.sets.known import TRAIN_VAL, KnownSet, SetFolder
from lseg_cli.data.sets.vocabulary import known_names
from lseg_cli.data.split import Dataset

FOLDS, COUNT = 4, 20
MASKS = ("SegmentationClassAug", "SegmentationClass")  # with the additional ones, or as VOC itself comes
IMAGES = "JPEGImages"


def held_out(fold: int) -> list[int]:
    """The classes of a fold, from 0: five in a row."""
    return list(range(5 * fold, 5 * fold + 5))


def only(classes: Sequence[int], count: int) -> IndexMask:
    """Masks of 0 (nothing), 1 to `count` and 255, in which some classes count and all else is ignored."""
    return IndexMask.of(
        {**dict.fromkeys([*range(count + 1), IGNORE], IGNORE), **{raw + 1: k for k, raw in enumerate(classes)}}
    )


def _list_whole(home: SetFolder) -> Dataset:
    images, masks = home.find(IMAGES), home.find(*MASKS)
    lists = ["trainaug", "train_aug", "train"] if home.split == "train" else ["val"]
    if masks.name != MASKS[0]:
        lists = lists[-1:]  # the longer lists are of the additional masks
    names = read_lines(home.find(*(f"ImageSets/Segmentation/{name}.txt" for name in lists)))
    return Dataset(
        home.known.name,
        ("other", *known_names("pascal").classes),
        IGNORE,
        tuple(images / f"{name}.jpg" for name in names),
        tuple(masks / f"{name}.png" for name in names),
        IndexMask.of({IGNORE: IGNORE, **{k: k for k in range(COUNT + 1)}}),
    )


def _list_fold(home: SetFolder) -> Dataset:
    folds = [home.fold] if home.split == "val" else [fold for fold in range(FOLDS) if fold != home.fold]
    kind = "val" if home.split == "val" else "trn"
    pairs = [
        pair
        for fold in folds
        for pair in read_pairs(find_list(home.lists, home.root, "pascal", f"{kind}/fold{fold}"), COUNT)
    ]
    names = dict.fromkeys(name for name, _ in pairs)  # a picture is listed with each of its classes
    classes = sorted(number for fold in folds for number in held_out(fold))
    images, masks = home.find(IMAGES), home.find(*MASKS)
    labels = known_names("pascal-official").at(classes)
    return Dataset(
        home.known.name,
        labels.classes,
        IGNORE,
        tuple(images / f"{name}.jpg" for name in names),
        tuple(masks / f"{name}.png" for name in names),
        only(classes, COUNT),
        labels.prompts,
    )


_CONTAINERS = ("VOC2012", "VOCdevkit/VOC2012")
PASCAL = KnownSet(
    name="pascal",
    layout="VOC2012/{JPEGImages,SegmentationClassAug} (or SegmentationClass) and "
    "VOC2012/ImageSets/Segmentation/{train,val}.txt",
    list=_list_whole,
    splits=TRAIN_VAL,
    containers=_CONTAINERS,
)
PASCAL_5I = KnownSet(
    name="pascal5i",
    layout="VOC2012/{JPEGImages,SegmentationClassAug} and, unless they lie elsewhere, HSNet's lists in "
    "splits/pascal/{trn,val}/fold{0,1,2,3}.txt",
    list=_list_fold,
    splits=TRAIN_VAL,
    containers=_CONTAINERS,
    folds=FOLDS,
)
