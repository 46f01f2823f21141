"""SUN RGB-D: 37 classes of indoor scenes; mask value 0 is nothing, k is class k - 1. Its `test` is our `val`.

Facts: seg37list of the SUNRGBD toolbox (rgbd.cs.princeton.edu), its names with spaces.
"""

from lseg_cli.data.masks import IGNORE, IndexMask
from lseg_cli.data.sets.known import KnownSet, Place, mirrored, pictures
from lseg_cli.data.split import Dataset

CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "fridge", "tv", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink",
    "lamp", "bathtub", "bag",
)  # fmt: skip


def _list(place: Place) -> Dataset:
    folder, masks = place.find(f"image/{place.split}"), place.find(f"label37/{place.split}")
    images = pictures(folder)
    decode = IndexMask.of({0: IGNORE, **{k: k - 1 for k in range(1, len(CLASSES) + 1)}})
    return Dataset(place.known.name, CLASSES, IGNORE, tuple(images), mirrored(images, folder, masks), decode)


SUNRGBD = KnownSet(
    name="sunrgbd",
    layout="image/{train,test}/img-000001.jpg and label37/{train,test}/img-000001.png",
    list=_list,
    splits={"train": "train", "val": "test"},
)
