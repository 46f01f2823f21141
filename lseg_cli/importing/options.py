"""What `lseg data import` is asked to do. Imports nothing heavy: the command line reads its defaults first."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Kind = Literal[
    "coco", "labelme", "cvat", "voc", "roboflow", "label-studio", "supervisely", "yolo", "cityscapes", "colours",
    "binary",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
IGNORED = "ignore"  # of `unlabelled`: pixels without a label are not taught


@dataclass(frozen=True)
class ImportOptions:
    """What is read, and how it is written.

    Attributes:
        source: a file or folder of another tool.
        out: the folder to write; it must not hold anything.
        kind: whose format it is; None: found by its content.
        images: where the pictures lie, if not beside the labels.
        classes: a table of colours or names, for kinds that need one.
        unlabelled: the label of pixels that no area covers, or `ignore`; None: as the format means it.
        shares: parts of the whole by split, such as {"train": 0.8, "val": 0.2}; of a source that has no splits.
        lists: text files of picture names by split; they win over `shares`.
        group: a regular expression; pictures whose names match it alike (its first group) stay in one split.
        seed: of the shares.
    """

    source: Path
    out: Path
    kind: Kind | None = None
    images: Path | None = None
    classes: Path | None = None
    unlabelled: str | None = None
    shares: tuple[tuple[str, float], ...] = (("train", 0.8), ("val", 0.2))
    lists: tuple[tuple[str, Path], ...] = ()
    group: str | None = None
    seed: int = 0
