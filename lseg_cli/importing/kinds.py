"""Which reader reads a source: named, or told by what lies there."""

from collections.abc import Callable
from pathlib import Path

from lseg_cli.errors import DataError, LsegError
from lseg_cli.importing import coco, cvat, label_studio, labelme, masks, supervisely, yolo
from lseg_cli.importing.labelled import Source
from lseg_cli.importing.options import KINDS, ImportOptions, Kind

READERS: dict[Kind, Callable[[ImportOptions], Source]] = {
    "coco": coco.read,
    "labelme": labelme.read,
    "cvat": cvat.read,
    "voc": masks.read_voc,
    "roboflow": masks.read_roboflow,
    "label-studio": label_studio.read,
    "supervisely": supervisely.read,
    "yolo": yolo.read,
    "cityscapes": masks.read_cityscapes,
    "colours": masks.read_coloured,
    "binary": masks.read_binary,
}
_HEAD_BYTES = 65536


def find_kind(source: Path) -> Kind:
    """Tell whose format a file or folder is.

    Raises:
        DataError: it is not there, or nothing in it is known.
    """
    if not source.exists():
        raise DataError(f"{source} is not there.")
    kind = _kind_of_file(source) if source.is_file() else _kind_of_folder(source)
    if kind is None:
        raise DataError(f"{source} is not in a known format; say which with --from: {', '.join(KINDS)}.")
    return kind


def read_source(options: ImportOptions) -> Source:
    """Read a labelled set.

    Raises:
        DataError: it is in no known format, holds no picture, or a file of it is damaged.
        LsegError: the kind is not known.
        MissingError: a package that reads it is not installed.
    """
    kind = options.kind or find_kind(options.source)
    if kind not in READERS:
        raise LsegError(f"--from {kind} is not known; choose from {', '.join(KINDS)}.")
    if not options.source.exists():
        raise DataError(f"{options.source} is not there.")
    return READERS[kind](options)


def _kind_of_file(path: Path) -> Kind | None:
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if suffix in {".yaml", ".yml"}:
        return "yolo"
    if suffix == ".xml" or head.lstrip().startswith(b"<"):
        return "cvat"
    if suffix != ".json":
        return None
    if head.lstrip().startswith(b"["):
        return "label-studio"
    if b'"shapes"' in head or b'"imageData"' in head:
        return "labelme"
    if b'"imgHeight"' in head:
        return "cityscapes"
    return "coco"


def _kind_of_folder(root: Path) -> Kind | None:
    if (root / "annotations.xml").is_file():
        return "cvat"
    if (root / "meta.json").is_file():
        return "supervisely"
    if next(root.rglob("_classes.csv"), None):
        return "roboflow"
    if next(root.rglob("labelmap.txt"), None):
        return "voc"
    if next(root.rglob("*_polygons.json"), None):
        return "cityscapes"
    if next(iter([*root.glob("*.yaml"), *root.glob("*.yml")]), None):
        return "yolo"
    if next(root.glob("*class*.csv"), None):
        return "colours"
    if (found := next(root.rglob("*.json"), None)) is not None:
        return _kind_of_file(found)
    if any(path.is_dir() for name in ("masks", "labels") for path in (root / name).glob("*")):
        return "binary"
    return None
