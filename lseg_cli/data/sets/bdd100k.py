"""BDD100K: the 19 classes of Cityscapes, 255 ignored, in the older and in the newer arrangement of its folders."""

from lseg_cli.data.masks import IGNORE, IndexMask
from lseg_cli.data.sets.cityscapes import CLASSES
from lseg_cli.data.sets.known import TRAIN_VAL, KnownSet, SetFolder, mirrored, pictures
from lseg_cli.data.split import Dataset


def _list(home: SetFolder) -> Dataset:
    folder = home.find(f"seg/images/{home.split}", f"images/10k/{home.split}")
    is_old = folder.parts[-3] == "seg"
    masks = home.find(f"seg/labels/{home.split}" if is_old else f"labels/sem_seg/masks/{home.split}")
    images = pictures(folder)
    decode = IndexMask.of({IGNORE: IGNORE, **{k: k for k in range(len(CLASSES))}})
    found = mirrored(images, folder, masks, ("", "_train_id.png" if is_old else ".png"))
    return Dataset(home.known.name, CLASSES, IGNORE, tuple(images), found, decode)


BDD100K = KnownSet(
    name="bdd100k",
    layout="bdd100k/seg/{images,labels}/{train,val}, or bdd100k/images/10k/{train,val} and "
    "bdd100k/labels/sem_seg/masks/{train,val}",
    list=_list,
    splits=TRAIN_VAL,
    containers=("bdd100k",),
)
