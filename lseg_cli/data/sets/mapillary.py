"""Mapillary Vistas: a mask value is an index into the list of labels of its own `config.json`; `Unlabeled` is nothing.

A label's name is all that `readable` says, in plain words: `Lane Marking - Crosswalk` -> `lane marking crosswalk`.
 Version 2.0 brings its labels beside those of 1.2: `mapillary` takes 1.2, `mapillary-v2` takes 2.0.
"""

from functools import partial

from pydantic import BaseModel, Field

from lseg_cli.data.masks import IGNORE, IndexMask
from lseg_cli.data.sets.json_files import read_json
from lseg_cli.data.sets.known import KnownSet, SetFolder, mirrored, pictures
from lseg_cli.data.split import Dataset

_UNLABELLED = "unlabeled"


class _Label(BaseModel):
    readable: str


class _Config(BaseModel):
    labels: list[_Label] = Field(min_length=2, max_length=IGNORE)


def _list(home: SetFolder, versions: dict[str, str]) -> Dataset:
    path = home.find(*versions)
    folder = home.find(f"{home.split}/images")
    masks = home.find(f"{home.split}/{versions[path.name]}")
    names = [
        " ".join(label.readable.lower().replace(" - ", " ").split())
        for label in read_json(path, _Config, "a list of Vistas' labels").labels
    ]
    raws = [raw for raw, name in enumerate(names) if name != _UNLABELLED]
    classes = tuple(names[raw] for raw in raws)
    decode = IndexMask.of({**dict.fromkeys(range(len(names)), IGNORE), **{raw: k for k, raw in enumerate(raws)}})
    images = pictures(folder)
    return Dataset(home.known.name, classes, IGNORE, tuple(images), mirrored(images, folder, masks), decode)


_MAPILLARY = partial(KnownSet, splits={"train": "training", "val": "validation"})
MAPILLARY = _MAPILLARY(
    name="mapillary",
    layout="{training,validation}/{images,labels} and config.json (or {training,validation}/{images,v1.2/labels} and "
    "config_v1.2.json)",
    list=partial(_list, versions={"config.json": "labels", "config_v1.2.json": "v1.2/labels"}),
)
MAPILLARY_V2 = _MAPILLARY(
    name="mapillary-v2",
    layout="{training,validation}/{images,v2.0/labels} and config_v2.0.json",
    list=partial(_list, versions={"config_v2.0.json": "v2.0/labels"}),
)
