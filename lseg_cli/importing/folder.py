"""The folder that is written: pictures as they are, index masks, and the `dataset.yaml` that describes both."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lseg_cli.data.decoding import decode
from lseg_cli.drawing.picture_file import write_picture
from lseg_cli.errors import DataError, LsegError
from lseg_cli.files import staged_folder
from lseg_cli.importing.areas import IGNORE, MOST_CLASSES, paint
from lseg_cli.importing.kinds import find_kind, read_source
from lseg_cli.importing.labelled import Labelled, Source
from lseg_cli.importing.options import IGNORED, ImportOptions
from lseg_cli.importing.splits import split_pictures

_EXIF_ORIENTATION = 0x0112
Track = Callable[[Iterable[str], int], Iterator[str]]  # passes names of pictures on, and shows how far they are


@dataclass(frozen=True)
class Imported:
    """What was written.

    Attributes:
        description: the `dataset.yaml`.
        kind: the format that was read.
        classes: in the order of their ids.
        pictures: their number, by split.
        areas: how many were drawn; 0 of masks that were painted already.
        notes: what could not be kept.
    """

    description: Path
    kind: str
    classes: tuple[str, ...]
    pictures: dict[str, int]
    areas: int
    notes: tuple[str, ...] = ()


def import_labelled(options: ImportOptions, track: Track) -> Imported:
    """Read the labelled data of another tool and write it as a `dataset.yaml` folder.

    Args:
        options: what, and where to.
        track: shows how far it is.

    Raises:
        LsegError: the folder to write holds something, or options that cannot be used.
        DataError: the source is in no known format, or a file of it is damaged; nothing is left behind.
        MissingError: a package that reads it is not installed.
    """
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise LsegError(f"{options.out} is not empty; choose another folder with -o.")
    kind = options.kind or find_kind(options.source, options.classes is not None)
    source = read_source(options)
    pictures = list(source.pictures)
    if not pictures:
        raise DataError(f"{options.source} holds no labelled picture.")
    classes, ids, ground = _classes(source, pictures, options)
    splits = split_pictures(pictures, options)
    with staged_folder(options.out) as draft:
        writer = _Writer(draft, ids, ground, source.notes)
        todo = {name: (split, each) for split, found in splits.items() for name, each in _named(found)}
        for key in track(todo, len(todo)):
            writer.write(*todo[key], key.partition("/")[2])
        counts = {split: len(found) for split, found in splits.items()}
        folders = {split: {"images": f"images/{split}", "masks": f"masks/{split}"} for split in splits}
        described = {"name": source.name, "ignore": IGNORE, "splits": folders, "classes": list(classes)}
        text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
        (draft / "dataset.yaml").write_text(text, encoding="utf-8")
    left = len(pictures) - sum(counts.values())
    if left:
        source.notes["Pictures in none of the lists, left out"] += left
    notes = tuple(f"{sentence}: {count}." for sentence, count in source.notes.items() if count)
    areas = sum(len(each.areas) for found in splits.values() for each in found)
    return Imported(options.out / "dataset.yaml", kind, classes, counts, areas, notes)


def _classes(
    source: Source, pictures: Sequence[Labelled], options: ImportOptions
) -> tuple[tuple[str, ...], dict[str, int], int]:
    """The classes, the id of each label that is drawn, and that of pixels without an area."""
    drawn = {area.label for picture in pictures for area in picture.areas} - set(source.ignored)
    names = [name.strip() for name in (*source.classes, *sorted(drawn - set(source.classes)))]
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{options.source} has {count} classes called {name!r}; their names must differ.")
    unlabelled = source.unlabelled if options.unlabelled is None else options.unlabelled
    ground = IGNORE
    if unlabelled and unlabelled != IGNORED and any(each.mask is None for each in pictures):
        if unlabelled not in names:
            names.append(unlabelled)
        ground = names.index(unlabelled)
    if len(names) > MOST_CLASSES:
        raise DataError(f"{options.source} has {len(names)} classes; masks of 8 bits hold at most {MOST_CLASSES}.")
    ids = {label: names.index(label.strip()) for label in drawn} | dict.fromkeys(source.ignored, IGNORE)
    return tuple(names), ids, ground


def _named(pictures: Sequence[Labelled]) -> Iterator[tuple[str, Labelled]]:
    """Names within the split, none twice: folders become part of a name that several pictures have."""
    stems = Counter(picture.image.stem for picture in pictures)
    for index, picture in enumerate(pictures):
        stem = picture.image.stem
        yield f"{picture.split or '-'}/{stem}" + (f"-{index}" if stems[stem] > 1 else ""), picture


class _Writer:
    """Writes pictures and masks of one folder."""

    def __init__(self, folder: Path, ids: dict[str, int], ground: int, notes: Counter[str]) -> None:
        self._folder = folder
        self._ids = ids
        self._ground = ground
        self._notes = notes

    def write(self, split: str, picture: Labelled, name: str) -> None:
        """Write one picture and its mask."""
        width, height, turn = _size(picture.image)
        mask = self._mask(picture, (height, width))
        displayed = (width, height) if turn is None else (height, width)
        if mask.shape[::-1] == displayed or turn is None:
            ids = mask
        else:  # drawn on the stored picture: brought upright as the picture is when it is read
            ids = np.asarray(ImageOps.exif_transpose(_turned(mask, turn)))
        if ids.shape[::-1] != displayed:
            raise DataError(
                f"{picture.image} is {displayed[0]} x {displayed[1]} as displayed, its labels are for "
                f"{mask.shape[1]} x {mask.shape[0]}: they must have the same size."
            )
        images, masks = self._folder / "images" / split, self._folder / "masks" / split
        for folder in (images, masks):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture.image, images / f"{name}{picture.image.suffix}")
        write_picture(masks / f"{name}.png", Image.fromarray(ids), "PNG")

    def _mask(self, picture: Labelled, stored: tuple[int, int]) -> NDArray[np.uint8]:
        if picture.mask is not None:
            return picture.mask()
        painted = paint(picture.areas, picture.size or stored, self._ids, self._ground)
        self._notes["Pixels that another class's area covers, for a mask has one class a pixel"] += painted.hidden
        self._notes["Areas that cover no pixel of their picture"] += painted.lost
        return painted.ids


def _size(path: Path) -> tuple[int, int, int | None]:
    """Stored width and height in px, and EXIF's orientation where it swaps them; else None."""
    header = decode(path, float("inf"), header_only=True)
    return (*header.size, header.orientation if header.orientation in {5, 6, 7, 8} else None)


def _turned(mask: NDArray[np.uint8], orientation: int) -> Image.Image:
    image = Image.fromarray(mask)
    image.getexif()[_EXIF_ORIENTATION] = orientation
    return image
