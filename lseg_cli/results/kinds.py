"""The files that the output folder may hold beside its masks. Imports nothing: the command line lists them first."""

import re
from collections.abc import Iterable
from typing import Literal, get_args

MaskFormat = Literal[
    "png", "npy", "binary", "coco-rle", "coco-polygons", "coco-panoptic", "geojson", "labelme", "cvat", "yolo", "csv"
]  # png is always written
SaveKind = Literal["overlay", "conf", "probs", "embeddings", "cutout"]
EmbeddingFormat = Literal["safetensors", "npy"]
Stride = Literal[4, 2]  # of embeddings

FORMATS: tuple[MaskFormat, ...] = get_args(MaskFormat)
EXTRAS: tuple[SaveKind, ...] = get_args(SaveKind)

# Files of one picture: the folder and the extension of each kind.
FILES: dict[str, tuple[str, str]] = {
    "mask": ("masks", "png"),
    "embedding": ("embeddings", "safetensors"),
    "embedding-npy": ("embeddings", "npy"),
    "embedding-info": ("embeddings", "json"),
    "overlay": ("overlays", "jpg"),
    "cutout": ("cutouts", "png"),
    "conf": ("conf", "png"),
    "probs": ("probs", "npy"),
    "embeddings": ("embeddings", "safetensors"),
    "top-k": ("topk", "npz"),
    "npy": ("npy", "npy"),
    "coco-rle": ("coco-rle", "json"),
    "coco-polygons": ("coco-polygons", "json"),
    "coco-panoptic": ("coco-panoptic", "png"),
    "coco-panoptic-segments": ("coco-panoptic", "json"),
    "geojson": ("geojson", "geojson"),
    "labelme": ("labelme", "json"),
    "cvat": ("cvat", "xml"),
    "yolo": ("yolo", "txt"),
}
# Files of all pictures.
TABLES = {
    "coco-rle": "coco-rle.json",
    "coco-polygons": "coco-polygons.json",
    "coco-panoptic": "coco-panoptic.json",
    "cvat": "cvat.xml",
    "csv": "results.csv",
}
OVERLAY_FILMS = "overlay-films/"  # the overlays of a film as a film: a file for each of them
_BINARY = "binary/"  # and the folder of a label: a kind for each, with a file of each picture
_MOST_CHARS = 80  # of a label's name, in that of its folder
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f\ud800-\udfff]')


def place_of(kind: str) -> tuple[str, str]:
    """Return the folder and the extension of a kind's files.

    Raises:
        KeyError: there is no such kind.
    """
    if kind.startswith(_BINARY) and kind == _BINARY + _safe(kind.removeprefix(_BINARY)):
        return kind, "png"
    return FILES[kind]


def binary_kinds(names: Iterable[str]) -> list[str]:
    """Return a kind for each of the labels of these names, in order; no two have one folder, in whatever case."""
    kinds: dict[str, str] = {}
    for name in names:
        kind, number = _BINARY + _safe(name), 2
        while kind.casefold() in kinds:
            kind, number = f"{_BINARY}{_safe(name)[: _MOST_CHARS - 8]}-{number}", number + 1
        kinds[kind.casefold()] = kind
    return list(kinds.values())


def is_binary(kind: str) -> bool:
    """Return whether a kind is of the black and white masks of one label."""
    return kind.startswith(_BINARY)


def _safe(name: str) -> str:
    """A name as a folder can have it on any system."""
    return _NOT_IN_NAMES.sub("_", name)[:_MOST_CHARS].strip(" .") or "_"
