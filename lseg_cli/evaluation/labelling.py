"""Which label of a model counts as which class of a data set.

    what the model is asked for:   the classes' labels, less those that are left out, and extra ones
    what is compared:              the classes, merged by a label map

Columns of the confusion matrix are what labels count as, and its rows what mask ids do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.data.labels import fold
from lseg_cli.data.masks import Ids
from lseg_cli.errors import DataError, LsegError
from lseg_cli.reading import read_yaml

IGNORED, UNKNOWN = -1, -2  # what a mask id stands for, beside the number of a class

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Labelling:
    """How labels and mask ids count.

    Attributes:
        classes: that are compared.
        extra: labels that are not classes.
        queried: positions of the labels, of all that were given for the classes, that the model is asked for.
        columns: (labels + 1,) what each label asked for counts as, extra ones after them; the last: no label.
        rows: (65536,) what each mask id counts as, or `IGNORED` or `UNKNOWN`.
        left_out: classes that the model is not asked for.
    """

    classes: tuple[str, ...]
    extra: tuple[str, ...]
    queried: tuple[int, ...]
    columns: Indices
    rows: Indices
    left_out: tuple[str, ...]

    @classmethod
    def of(
        cls,
        classes: Sequence[str],
        ignore: int,
        labels: Sequence[str] | None = None,
        extra: Sequence[str] = (),
        without: Sequence[str] = (),
        merged: Mapping[str, str] | None = None,
    ) -> "Labelling":
        """Builds the tables.

        Args:
            classes: of the data set, by mask id.
            ignore: its mask id without a class.
            labels: one for every class, see `match`; None: the classes themselves.
            extra: labels beside those.
            without: classes that the model is not asked for.
            merged: the new name of a class.

        Raises:
            LsegError: labels that do not fit the classes, or an unknown class.
        """
        class_of = match(labels, classes) if labels is not None else list(range(len(classes)))
        left_out = set(find_classes(without, classes, "--without"))
        queried = tuple(position for position, number in enumerate(class_of) if number not in left_out)
        twice = {fold(name) for name in extra} & {fold(name) for name in classes}
        if twice:
            raise LsegError(f"The extra label '{sorted(twice)[0]}' is a class of the data set; leave it out.")
        if not queried and not extra:
            raise LsegError("No label is left to ask for; leave fewer classes out.")
        names = [(merged or {}).get(name, name) for name in classes]
        rows_of = {name: number for number, name in enumerate(dict.fromkeys(names))} if merged else None
        row_of = [rows_of[name] for name in names] if rows_of is not None else list(range(len(names)))
        compared = tuple(rows_of) if rows_of is not None else tuple(names)
        others = range(len(compared), len(compared) + len(extra) + 1)
        rows = np.full(1 << 16, UNKNOWN, np.int64)
        rows[: len(row_of)] = row_of
        rows[ignore] = IGNORED
        return cls(
            compared,
            tuple(extra),
            queried,
            np.array([*(row_of[class_of[position]] for position in queried), *others], np.int64),
            rows,
            tuple(dict.fromkeys(compared[row_of[number]] for number in sorted(left_out))),
        )

    def truth(self, mask: Ids, file: Path) -> Indices:
        """(H, W) mask ids -> (H, W) classes, or `IGNORED`.

        Raises:
            DataError: an id without a label; names `file`.
        """
        rows: Indices = self.rows[mask]
        if (rows == UNKNOWN).any():
            last, ignored = np.flatnonzero(self.rows >= 0).max(), np.flatnonzero(self.rows == IGNORED)[0]
            raise DataError(
                f"{file} holds id {mask[rows == UNKNOWN][0]}, which has no label: the data set has classes 0 to {last} "
                f"and ignores {ignored}."
            )
        return rows


def match(labels: Sequence[str], classes: Sequence[str]) -> list[int]:
    """The class of every label: by name if they are the classes in any order, else by position, as other words.

    Raises:
        LsegError: another number of labels, or one that bears the name of another class than that at its position.
    """
    if len(labels) != len(classes):
        raise LsegError(
            f"There are {len(labels)} labels for {len(classes)} classes; give one for each, in the order of the data "
            f"set: {_shown(classes)}."
        )
    named = [fold(name) for name in classes]
    given = [fold(name) for name in labels]
    if len(set(named)) == len(named) and set(given) == set(named):
        return [named.index(name) for name in given]
    for position, name in enumerate(given):
        if name in named and name != named[position]:
            raise LsegError(
                f"Label {position + 1} is '{labels[position]}', but that class of the data set is "
                f"'{classes[position]}'; give the labels in the order of the classes: {_shown(classes)}."
            )
    return list(range(len(classes)))


def find_classes(names: Sequence[str], classes: Sequence[str], option: str) -> list[int]:
    """Numbers of classes by their names; `option` is named in the error.

    Raises:
        LsegError: there is no such class.
    """
    named = [fold(name) for name in classes]
    for name in names:
        if fold(name) not in named:
            raise LsegError(f"{option} names '{name}', which is not a class of the data set: {_shown(classes)}.")
    return [number for number, name in enumerate(named) if name in {fold(each) for each in names}]


def read_label_map(path: Path, classes: Sequence[str]) -> dict[str, str]:
    """The new name of every class that a label map names: a YAML file of `new name: [class, class]`.

    Raises:
        DataError: the file cannot be read or is not such a map.
        LsegError: a name that is not a class, or a class under two new names.
    """
    content = read_yaml(path, "The label map")
    is_map = isinstance(content, dict) and all(
        isinstance(new, str) and isinstance(old, list) and all(isinstance(name, str) for name in old)
        for new, old in content.items()
    )
    if not is_map or not content:
        raise DataError(f"{path} is not a label map; it holds lines such as 'vehicle: [car, bus, truck]'.")
    merged: dict[str, str] = {}
    for new, old in content.items():
        for number in find_classes(old, classes, str(path)):
            if merged.setdefault(classes[number], new) != new:
                raise LsegError(f"{path} puts '{classes[number]}' into both '{merged[classes[number]]}' and '{new}'.")
    return merged


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 30 else f"{', '.join(names[:30])}, … ({len(names)} in all)"
