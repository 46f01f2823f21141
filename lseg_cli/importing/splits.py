"""Which pictures train and which are kept to judge by: a source's own splits, lists, or shares of groups."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from lseg_cli.errors import DataError, LsegError
from lseg_cli.importing.labelled import Labelled
from lseg_cli.importing.options import ImportOptions
from lseg_cli.importing.reading import read_text


def split_pictures(pictures: Sequence[Labelled], options: ImportOptions) -> dict[str, list[Labelled]]:
    """Sort pictures into splits; empty ones are left out.

    Raises:
        LsegError: shares that do not sum to 1, or a pattern that is not one.
        DataError: a list cannot be read.
    """
    if abs(sum(share for _, share in options.shares) - 1) > 1e-6 or any(share < 0 for _, share in options.shares):
        raise LsegError("--split must sum to 1, as in train=0.8,val=0.2.")
    if options.lists:
        chosen = _by_list(pictures, options.lists)
    elif any(picture.split for picture in pictures):
        chosen = {id(picture): picture.split or "train" for picture in pictures}
    else:
        chosen = _by_share(pictures, options)
    order = dict.fromkeys(["train", "val", *chosen.values()])
    splits = {name: [each for each in pictures if chosen.get(id(each)) == name] for name in order}
    return {name: found for name, found in splits.items() if found}


def _by_list(pictures: Sequence[Labelled], lists: Sequence[tuple[str, Path]]) -> dict[int, str]:
    chosen: dict[int, str] = {}
    for split, path in lists:
        names = {line.strip() for line in read_text(path).splitlines() if line.strip()}
        for picture in pictures:
            if not names.isdisjoint({picture.image.name, picture.image.stem, str(picture.image)}):
                chosen[id(picture)] = split
    return chosen


def _by_share(pictures: Sequence[Labelled], options: ImportOptions) -> dict[int, str]:
    """Groups in the order of a hash, dealt out until each split has its share: the same whatever is added later."""
    groups: dict[str, list[Labelled]] = {}
    for picture in pictures:
        groups.setdefault(_group(picture, options.group), []).append(picture)
    ordered = sorted(groups, key=lambda name: hashlib.sha256(f"{options.seed}:{name}".encode()).digest())
    chosen: dict[int, str] = {}
    done, bound, shares = 0, 0.0, iter(options.shares)
    split = ""
    for name in ordered:
        while done >= round(bound * len(pictures)) and (share := next(shares, None)):
            split, bound = share[0], bound + share[1]
        chosen.update({id(picture): split for picture in groups[name]})
        done += len(groups[name])
    return chosen


def _group(picture: Labelled, pattern: str | None) -> str:
    if pattern is None:
        return picture.image.stem
    try:
        match = re.search(pattern, picture.image.stem)
    except re.error as error:
        raise LsegError(f"--group {pattern!r} is not a regular expression: {error}.") from error
    if match is None:
        raise DataError(f"--group {pattern!r} does not match the picture {picture.image.name}.")
    return match[1] if match.groups() else match[0]
