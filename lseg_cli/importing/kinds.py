"""The reader of a source: named, or found by its content."""

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
_MARKS: tuple[tuple[str, Kind], ...] = (
    ("annotations.xml", "cvat"),
    ("meta.json", "supervisely"),
    ("**/_classes.csv", "roboflow"),
    ("**/labelmap.txt", "voc"),
    ("**/*_polygons.json", "cityscapes"),
    ("*.yaml", "yolo"),
    ("*.yml", "yolo"),
    ("*class*.csv", "colours"),
)


def find_kind(source: Path, has_table: bool = False) -> Kind:
    """Tell whose format a file or folder is.

    Args:
        source: to be read.
        has_table: a table of colours was named, so that unknown masks are in colours.

    Raises:
        DataError: it is not there, or nothing in it is known.
    """
    if not source.exists():
        raise DataError(f"{source} is not there.")
    kind = _kind_of_file(source) if source.is_file() else _kind_of_folder(source)
    if kind is None and has_table:
        return "colours"
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
    kind = options.kind or find_kind(options.source, options.classes is not None)
    if kind not in READERS:
        raise LsegError(f"--from {kind} is not known; choose from {', '.join(KINDS)}.")
    if not options.source.exists():
        raise DataError(f"{options.source} is not there.")
    return READERS[kind](options)


def _kind_of_file(path: Path) -> Kind | None:
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).lstrip()
    if suffix in {".yaml", ".yml"}:
        return "yolo"
    if suffix == ".xml" or head.startswith(b"<"):
        return "cvat"
    if suffix != ".json":
        return None
    marks: dict[bytes, Kind] = {b'"shapes"': "labelme", b'"imageData"': "labelme", b'"imgHeight"': "cityscapes"}
    if head.startswith(b"["):
        return "label-studio"
    return next((kind for mark, kind in marks.items() if mark in head), "coco")


def _kind_of_folder(root: Path) -> Kind | None:
    """By the first pattern of `_MARKS` that something in it fits; any other JSON by its content."""
    for pattern, kind in _MARKS:
        if next(root.glob(pattern), None):
            return kind
    if (found := next(root.rglob("*.json"), None)) is not None:
        return _kind_of_file(found)
    return "binary" if any(path.is_dir() for path in root.glob("masks/*")) else None
