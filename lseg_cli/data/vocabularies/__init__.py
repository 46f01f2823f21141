"""The label sets of well-known data sets, as text files that say where they come from.

Those that end in `-official` hold the very strings with which published weights were trained.
"""

import difflib
import re
from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = (
    "ade20k", "ade20k-official", "cityscapes", "coco", "coco-official", "fss1000", "fss1000-official", "pascal",
    "pascal-official",
)  # fmt: skip
_ALIASES = {"voc": "pascal", "voc2012": "pascal", "pascalvoc": "pascal", "mscoco": "coco", "ade": "ade20k"}
_SIMILAR = 0.88  # of difflib: one letter more, less or other in eight


def find_vocabulary(name: str) -> Path | None:
    """The file of a label set by its name, in any case; None if there is no such set."""
    return FOLDER / f"{name.lower()}.txt" if name.lower() in NAMES else None


def similar_vocabulary(name: str) -> str | None:
    """The label set that a word may have meant: `ADE-20k`, `cityscape`, `voc2012`."""
    plain = re.sub(r"[\s_.-]", "", name.lower())
    if plain in _ALIASES:
        return _ALIASES[plain]
    near = difflib.get_close_matches(plain, NAMES, n=1, cutoff=_SIMILAR) if len(plain) > 4 else []
    return near[0] if near else None
