"""ADE20K as SceneParse150: 150 classes; mask value 0 is nothing, k is class k - 1.

Names are those of its own `objectInfo150.txt`, the first of each class: "If there are multiple labels for one class, we
only use the first label" (section 5.1 of the paper). The original code cut them once more at the first space, so
`traffic light` was taught as `traffic`: `ade20k-official` says them that way.
"""

import re
from functools import partial
from pathlib import Path

from lseg_cli.data.fold_lists import read_lines
from lseg_cli.data.masks import IGNORE, IndexMask
from lseg_cli.data.sets.known import KnownSet, SetFolder, mirrored, pictures
from lseg_cli.data.split import Dataset
from lseg_cli.errors import DataError

_COUNT = 150
# Idx Ratio Train Val [Stuff] Name, between tabs or spaces.
_LINE = re.compile(r"\s*(\d+)\s+[\d.]+\s+\d+\s+\d+\s+(?:[01]\s+)?(\S.*)")


def _list(home: SetFolder, is_official: bool) -> Dataset:
    names = _names(home.find("objectInfo150.txt"))
    folder, masks = home.find(f"images/{home.split}"), home.find(f"annotations/{home.split}")
    images = pictures(folder)
    decode = IndexMask.of({0: IGNORE, **{k: k - 1 for k in range(1, _COUNT + 1)}})
    prompts = tuple(name.split()[0] for name in names) if is_official else ()
    return Dataset(home.known.name, names, IGNORE, tuple(images), mirrored(images, folder, masks), decode, prompts)


def _names(path: Path) -> tuple[str, ...]:
    rows = [match.groups() for line in read_lines(path) if (match := _LINE.match(line))]
    if [int(number) for number, _ in rows] != list(range(1, _COUNT + 1)):
        raise DataError(f"{path} must list the classes 1 to {_COUNT}, one a line; {len(rows)} lines could be read.")
    return tuple(re.split("[,;]", names)[0].strip() for _, names in rows)


_ADE20K = partial(
    KnownSet,
    layout="ADEChallengeData2016/{images,annotations}/{training,validation} and ADEChallengeData2016/objectInfo150.txt",
    splits={"train": "training", "val": "validation"},
    containers=("ADEChallengeData2016",),
)
ADE20K = _ADE20K(name="ade20k", list=partial(_list, is_official=False))
ADE20K_OFFICIAL = _ADE20K(name="ade20k-official", list=partial(_list, is_official=True))
