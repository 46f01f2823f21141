"""Masks that `lseg segment` wrote, in place of a model: any run of it can be measured, one in tiles too."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.decoding import open_stored
from lseg_cli.data.finding import JOURNAL
from lseg_cli.data.labels import fold
from lseg_cli.errors import DataError
from lseg_cli.files import read_regular
from lseg_cli.reading import parse_json, reading
from lseg_cli.results.folder import LABELS
from lseg_cli.results.journal_line import resolved

_UNKNOWN = -1
_IDS = 1 << 16
_MOST_BYTES = 4_000_000_000  # of a journal: ten million pictures


class SavedMasks:
    """The results of an output folder, by the pictures they were made of.

    Attributes:
        names: of its labels.
    """

    def __init__(self, folder: Path) -> None:
        """Reads its journals; masks are read when they are asked for.

        Raises:
            DataError: it is not such a folder.
        """
        self._folder = folder
        with reading(folder, "is not an output folder of lseg segment", DataError):
            if not (folder / LABELS).is_file():
                raise ValueError(f"there is no {LABELS} in it")
            facts = parse_json(read_regular(folder / LABELS, _MOST_BYTES))
            self._ids = [int(label["id"]) for label in facts["labels"]]
            self.names = tuple(str(label["name"]) for label in facts["labels"])
            self._ignore = int(facts["ignore_id"])
            stem, _, suffix = JOURNAL.partition(".")
            journals = sorted(folder.glob(f"{stem}*.{suffix}"))
            if not all(0 <= id_ < _IDS for id_ in (*self._ids, self._ignore)):
                raise ValueError(f"an id is not between 0 and {_IDS - 1}")
            lines = [parse_json(line) for path in journals for line in read_regular(path, _MOST_BYTES).splitlines()]
            self._masks = {resolved(folder, str(line["file"]["path"])): folder / line["mask"] for line in lines}
        self._order = self.names

    def split(self, classes: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Its labels that stand for the classes, and those beside them; the order in which `predict` counts them.

        All stand for classes, by their place, unless each class is among them by its name.
        """
        named = {fold(name) for name in classes}
        if named <= {fold(name) for name in self.names}:
            extra = tuple(name for name in self.names if fold(name) not in named)
            own = tuple(name for name in self.names if fold(name) in named)
        else:
            own, extra = self.names, ()
        self._order = (*own, *extra)
        return own, extra

    def predict(self, picture: NDArray[np.uint8], path: Path) -> NDArray[np.int64]:
        """(H, W, 3) from `path` -> (H, W), positions in the order of `split`; the number of labels: none.

        Raises:
            DataError: there is no mask of it, or it cannot be read, has another size or holds an unknown id.
        """
        file = self._masks.get(str(path.absolute())) or self._masks.get(str(path.resolve()))
        if file is None:
            raise DataError(f"{self._folder} has no mask of {path}; segment it first, into the same folder.")
        ids = np.asarray(open_stored(file))
        if ids.shape != picture.shape[:2]:
            raise DataError(f"{file} has the shape {ids.shape}, its picture {picture.shape[:2]}; segment it again.")
        table = np.full(_IDS, _UNKNOWN, np.int64)
        table[self._ids] = [self._order.index(name) for name in self.names]
        table[self._ignore] = len(self.names)
        positions: NDArray[np.int64] = table[ids]
        if (positions == _UNKNOWN).any():
            raise DataError(f"{file} holds id {ids[positions == _UNKNOWN][0]}, which {LABELS} does not name.")
        return positions
