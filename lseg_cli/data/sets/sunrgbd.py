"""SUN RGB-D: 37 classes of indoor scenes; mask value 0 is nothing, k is class k - 1. Its `test` is our `val`.

Masks lie in the folders of their split, named as the pictures or with eight digits, or all in one as in the archive of
github.com/ankurhanda/sunrgbd-meta-data: there 1 to 5050 are of the test pictures, and those of the training pictures 1
to 5285 go on from 5051.

Names: seg37list of the SUNRGBD toolbox (rgbd.cs.princeton.edu), with spaces.
"""

from collections.abc import Sequence
from pathlib import Path

from lseg_cli.data.masks import IGNORE, IndexMask
from lseg_cli.data.sets.known import KnownSet, SetFolder, mirrored, pictures
from lseg_cli.data.split import Dataset

CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "fridge", "tv", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink",
    "lamp", "bathtub", "bag",
)  # fmt: skip


_TEST_COUNT = 5050


def _list(home: SetFolder) -> Dataset:
    folder, masks = home.find(f"image/{home.split}"), home.find(f"label37/{home.split}", "label37")
    images = pictures(folder)
    is_flat = masks.name == "label37"
    found = _numbered(images, masks, home.split) if is_flat else mirrored(images, folder, masks)
    if not is_flat and not found[0].is_file():
        found = tuple(masks / f"{number:08d}.png" for number in _numbers(images))
    decode = IndexMask.of({0: IGNORE, **{k: k - 1 for k in range(1, len(CLASSES) + 1)}})
    return Dataset(home.known.name, CLASSES, IGNORE, tuple(images), found, decode)


def _numbered(images: Sequence[Path], masks: Path, split: str) -> tuple[Path, ...]:
    """The masks of one folder for both splits, by the numbers of the pictures."""
    numbers = _numbers(images)
    first = _TEST_COUNT if split == "train" and min(numbers) == 1 else 0
    return tuple(masks / f"img-{first + number:06d}.png" for number in numbers)


def _numbers(images: Sequence[Path]) -> list[int]:
    return [int("".join(filter(str.isdecimal, image.stem)) or 0) for image in images]


SUNRGBD = KnownSet(
    name="sunrgbd",
    layout="image/{train,test}/img-000001.jpg and label37/{train,test}/img-000001.png (or 00000001.png, or all "
    "masks in label37, training from img-005051.png on)",
    list=_list,
    splits={"train": "train", "val": "test"},
)
