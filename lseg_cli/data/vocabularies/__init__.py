"""The label sets of well-known data sets, as text files that say where they come from."""

from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = ("ade20k", "ade20k-official", "coco", "fss1000", "pascal")


def find_vocabulary(name: str) -> Path | None:
    """The file of a label set by its name; None if there is no such set."""
    return FOLDER / f"{name}.txt" if name in NAMES else None
