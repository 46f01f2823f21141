"""Zero-shot episodes: one picture, one class, and where it is. HSNet's order as lang-seg ran it with no examples given.

PASCAL-5i: 1000 episodes, episode i is line i of the fold's list, which is gone through again from its start.
COCO-20i: 1000 episodes, for each a class of the fold and then one of its pictures, drawn by numpy from seed 0.
FSS-1000: all pictures of the 240 test classes, classes and pictures sorted as text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.fold_lists import find_list, read_classwise, read_pairs
from lseg_cli.data.images import open_picture, pixels_of
from lseg_cli.data.masks import IGNORE, read_mask
from lseg_cli.data.sets import coco20i, fss1000, pascal
from lseg_cli.data.sets.known import SetFolder
from lseg_cli.data.sets.vocabulary import Names, known_names
from lseg_cli.data.split import check_size
from lseg_cli.errors import DataError, LsegError

COUNT = 1000  # episodes of a fold of PASCAL-5i and COCO-20i


@dataclass(frozen=True)
class Episode:
    """One question: where in this picture is the class?"""

    name: str  # the picture's
    class_id: int  # index into `Episodes.classes`
    image: NDArray[np.uint8]  # (H, W, 3) RGB
    mask: NDArray[np.uint8]  # (H, W): 1 the class, 0 all else, 255 ignored


@dataclass(frozen=True)
class Query:
    """The files of an episode."""

    name: str
    class_id: int
    image: Path
    mask: Path


Decode = Callable[[Path, int], NDArray[np.uint8]]  # a mask's file and the episode's class -> its mask


@dataclass(frozen=True)
class Episodes:
    """All episodes of a fold, in order."""

    name: str
    classes: tuple[str, ...]
    prompts: tuple[str, ...]  # what the text encoder reads for the classes in the published weights
    queries: tuple[Query, ...]
    decode: Decode

    def __len__(self) -> int:
        return len(self.queries)

    def read(self, index: int) -> Episode:
        """One episode, at the picture's own size.

        Raises:
            DataError: a file cannot be read, or picture and mask differ in size.
        """
        query = self.queries[index]
        picture, mask = open_picture(query.image), self.decode(query.mask, query.class_id)
        check_size(query.image, (picture.image.height, picture.image.width), mask)
        if picture.valid is not None:
            mask = np.where(picture.valid, mask, np.uint8(IGNORE))
        return Episode(query.name, query.class_id, pixels_of(picture.image), mask)


def open_episodes(name: str, root: Path, fold: int | None, lists: Path | None = None) -> Episodes:
    """The episodes of a benchmark.

    Args:
        name: `pascal5i`, `coco20i` or `fss1000`.
        root: of the data set.
        fold: 0 to 3; None for FSS-1000.
        lists: folder of the split lists; None: they lie under the root.

    Raises:
        LsegError: no such benchmark, a fold missing or too much.
        DataError: a folder, list, picture or mask is missing; a list is damaged.
    """
    openers = {
        pascal.PASCAL_5I.name: (_pascal, pascal.PASCAL_5I, "val"),
        coco20i.COCO_20I.name: (_coco, coco20i.COCO_20I, "val"),
        fss1000.FSS_1000.name: (_fss, fss1000.FSS_1000, "test"),
    }
    if name not in openers:
        raise LsegError(f"There are no episodes of '{name}'; there are those of {', '.join(openers)}.")
    opener, known, split = openers[name]
    episodes = opener(known.home(root, split, fold, lists))
    files = dict.fromkeys(path for query in episodes.queries for path in (query.image, query.mask))
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise DataError(
            f"{missing[0]} is missing ({len(missing)} of {len(files)} files are): of {name}, {root} must hold "
            f"{known.layout}."
        )
    return episodes


def _pascal(home: SetFolder) -> Episodes:
    path = find_list(home.lists, home.root, "pascal", f"val/fold{home.fold}")
    held_out = pascal.held_out(home.fold)
    pairs = read_pairs(path, pascal.COUNT)
    strange = [f"{name}__{number + 1:02d}" for name, number in pairs if number not in held_out]
    if strange:
        raise DataError(f"{path} holds {strange[0]}, whose class is none of fold {home.fold}.")
    images, masks = home.find(pascal.IMAGES), home.find(*pascal.MASKS)
    queries = [
        Query(name, held_out.index(number), images / f"{name}.jpg", masks / f"{name}.png")
        for name, number in (pairs[index % len(pairs)] for index in range(COUNT))
    ]
    return _episodes(home, known_names("pascal-official").at(held_out), queries, _Numbered(tuple(held_out), IGNORE))


def _coco(home: SetFolder) -> Episodes:
    path = find_list(home.lists, home.root, "coco", f"val/fold{home.fold}")
    held_out = coco20i.held_out(home.fold)
    classwise = read_classwise(path, coco20i.COUNT)
    empty = [number for number in held_out if not classwise.get(number)]
    if empty:
        raise DataError(f"{path} lists no picture of class {empty[0]}, which is one of fold {home.fold}.")
    masks = home.find("annotations")
    queries = []
    for class_id, at in draw_coco([len(classwise[number]) for number in held_out]):
        name = classwise[held_out[class_id]][at]
        queries.append(Query(name, class_id, home.base / name, (masks / name).with_suffix(".png")))
    return _episodes(home, known_names("coco-official").at(held_out), queries, _Numbered(tuple(held_out), None))


def draw_coco(sizes: list[int]) -> list[tuple[int, int]]:
    """The draws of all episodes: a class of the fold, and one of its pictures.

    HSNet draws from lists with `np.random.choice(…, 1, replace=False)` after `np.random.seed(0)`. What numpy draws
    depends on a list's length alone, and its stream for a seed never changes (NEP 19).

    Args:
        sizes: pictures of each class of the fold.
    """
    random = np.random.RandomState(0)
    draws = []
    for _ in range(COUNT):
        class_id = int(random.choice(len(sizes), 1, replace=False)[0])
        draws.append((class_id, int(random.choice(sizes[class_id], 1, replace=False)[0])))
    return draws


def _fss(home: SetFolder) -> Episodes:
    classes = fss1000.class_names(home)
    queries = [
        Query(f"{image.parent.name}/{image.stem}", classes.index(image.parent.name), image, image.with_suffix(".png"))
        for image in fss1000.find_pictures(home, classes)
    ]
    if not queries:
        raise home.absent(home.base / classes[0] / "1.jpg")
    return _episodes(home, Names(classes, classes), queries, _white)


def _episodes(home: SetFolder, names: Names, queries: list[Query], decode: Decode) -> Episodes:
    return Episodes(home.known.name, names.classes, names.prompts, tuple(queries), decode)


@dataclass(frozen=True)
class _Numbered:
    """Masks in which class k of the data set is k + 1."""

    held_out: tuple[int, ...]
    border: int | None  # the value that is ignored

    def __call__(self, path: Path, class_id: int) -> NDArray[np.uint8]:
        raw = read_mask(path)
        mask = np.asarray(raw == self.held_out[class_id] + 1, np.uint8)
        if self.border is not None:
            mask[raw == self.border] = IGNORE
        return mask


def _white(path: Path, _class_id: int) -> NDArray[np.uint8]:
    return fss1000.read_white(path).astype(np.uint8)
