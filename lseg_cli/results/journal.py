"""What was done before, so that it is not done again: results.jsonl is the journal of an output folder.

A picture counts as done if the journal has a line for its path, the file has the size and time of that line, and the
mask has the name it would get today. All lines of a folder were made with the same labels, model and options, its
*record*, which labels.json holds. Another record starts anew: what is there moves to `previous-1`, nothing is mixed and
nothing lost. Each share of `--shard i/n` has a journal of its own; the next run without `--shard` puts them together.
"""

import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from lseg_cli.data.finding import JOURNAL, RESULT_FOLDERS
from lseg_cli.data.store import Place, absolute
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic
from lseg_cli.results.folder import LABELS, OutputFolder, mask_path
from lseg_cli.results.records import Item, Stamp
from lseg_cli.results.report_options import REPORT

Record = dict[str, Any]

_OURS = (
    "results*.jsonl", "failures*.jsonl", "run*.json", "results.csv", "coco-rle.json", "coco-panoptic.json", REPORT,
)  # fmt: skip
_SHARE = re.compile(r"-(\d+-of-\d+)\.jsonl$")
_TEMPORARY = re.compile(r"\.(?:(\d+-of-\d+)-)?\d+-\d+\.tmp")


class Entry(NamedTuple):
    """What the journal knows of a picture."""

    stamp: Stamp
    mask: str
    files: tuple[str, ...]  # all of its results


class Journal:
    """The lines of an output folder.

    Attributes:
        done: by absolute path or address of the picture.
    """

    def __init__(self, output: OutputFolder) -> None:
        """Of a folder that is locked by this process, before `begin`."""
        self._folder = output.folder
        self._shard = output.shard
        self.done: dict[str, Entry] = {}

    def check_place(self) -> None:
        """Whether the folder holds nothing of somebody else's that masks could replace.

        Raises:
            LsegError: it does.
        """
        if (self._folder / LABELS).exists() and self._record() is None and not self._journals():
            raise LsegError(f"{self._folder / LABELS} is not of an earlier run; choose another folder with -o.")
        if (self._folder / LABELS).exists() or self._journals():
            return
        for name in RESULT_FOLDERS:
            with suppress(OSError):
                if any((self._folder / name).iterdir()):
                    raise LsegError(
                        f"{self._folder / name} is not empty and not of an earlier run; choose another folder with -o."
                    )

    def is_empty(self) -> bool:
        """Whether there is nothing of an earlier run."""
        return not (self._folder / LABELS).exists() and not self._journals()

    def has_other(self, record: Record) -> bool:
        """Whether what is there was made with another record."""
        known = self._record()
        return known != json.loads(json.dumps(record)) and (known is not None or bool(self._journals()))

    def changes(self, record: Record) -> str:
        """What differs from `record`, for a sentence."""
        known, new = self._record() or {}, json.loads(json.dumps(record))
        return ", ".join(name for name in new if known.get(name) != new[name])

    def set_aside(self) -> Path:
        """Moves all results to the first free `previous-N`; killed halfway, the next time goes on with it."""
        number = 1
        while (self._folder / f"previous-{number}" / LABELS).exists():
            number += 1
        target = self._folder / f"previous-{number}"
        target.mkdir(exist_ok=True)
        for path in self._results():
            path.replace(target / path.name)
        # Last of all what says whose they are; it marks the folder as complete.
        labels = self._folder / LABELS
        if labels.exists():
            labels.replace(target / LABELS)
        else:
            (target / LABELS).write_text("{}\n")
        return target

    def delete(self) -> None:
        """Removes the results that the journals name, and the journals."""
        for path in self._journals():
            for _, entry in _entries(path):
                self._remove(entry)
        for path in self._results():
            if path.is_file():
                path.unlink()
        (self._folder / LABELS).unlink(missing_ok=True)

    def read(self) -> None:
        """Fills `done` from all journals; of two lines for a picture the later one counts."""
        self.done = {}
        for path in self._journals():
            self.done.update(_entries(path))

    def has(self, path: Place, mask: str) -> bool:
        """Whether a picture is done, as it is now and under this name."""
        entry = self.done.get(absolute(path))
        return (
            entry is not None
            and entry.mask == mask
            and entry.stamp == Stamp.of(path)
            and all((self._folder / name).exists() for name in entry.files)
        )

    def forget(self, paths: Collection[str], keep: Collection[str]) -> None:
        """Takes out pictures that are done again or changed, with their files but for those in `keep`; repairs lines.

        A run that has the folder to itself also puts the journals of shares together.
        """
        for picture in paths:
            entry = self.done.pop(picture)
            self._remove(entry._replace(files=tuple(name for name in entry.files if name not in keep)))
        shares = [] if self._shard else [path for path in self._journals() if _SHARE.search(path.name)]
        journals = [path for path in self._journals() if _share_of(path) == self._shard or path in shares]
        if journals and (paths or shares or any(not _is_whole(path) for path in journals)):
            with atomic(self._folder / _name_of(self._shard)) as target, target.open("wb") as file:
                for line in _latest(journals, self.done):
                    file.write(line)
            for path in shares:
                for each in self._folder.glob(f"*-{_share_of(path)}.json*"):
                    each.unlink()

    def clean(self) -> None:
        """Removes half-written files of a process that was killed: all, or those of this share."""
        for name in (*RESULT_FOLDERS, "."):
            for folder, folders, files in os.walk(self._folder / name):
                if name == ".":
                    folders.clear()
                for file in files:
                    match = _TEMPORARY.fullmatch(file)
                    if match and (not self._shard or match[1] == self._shard):
                        Path(folder, file).unlink(missing_ok=True)

    def _record(self) -> Record | None:
        try:
            record = json.loads((self._folder / LABELS).read_bytes()).get("record")
        except (OSError, ValueError, AttributeError):
            return None
        return record if isinstance(record, dict) else None

    def _journals(self) -> list[Path]:
        return find_journals(self._folder)

    def _results(self) -> list[Path]:
        found = [self._folder / name for name in RESULT_FOLDERS if (self._folder / name).exists()]
        journals = [path for pattern in _OURS for path in sorted(self._folder.glob(pattern))]
        return [*found, *journals]

    def _remove(self, entry: Entry) -> None:
        for name in entry.files:
            path = Path(os.path.normpath(self._folder / name))
            if path.is_relative_to(os.path.normpath(self._folder)):
                path.unlink(missing_ok=True)


class JournalLines:
    """Lines of an output folder as data, as often as they are iterated, one at a time: each picture once.

    Memory does not grow with one journal; with several, by a hash of each picture.

    Attributes:
        damaged: lines that say nothing, in the last iteration.
    """

    def __init__(self, folder: Path) -> None:
        """Of an output folder."""
        self._folder = folder
        self.damaged = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """From the first."""
        self.damaged = 0
        journals = find_journals(self._folder)
        seen: set[int] | None = set() if len(journals) > 1 else None
        for path in reversed(journals):  # of two lines for a picture the later one counts
            with path.open("rb") as file:
                for line in file:
                    data, entry = _parse(line)
                    if entry is None:
                        self.damaged += 1
                        continue
                    key = hash(entry.stamp.path or data.get("source"))
                    if seen is None or key not in seen:
                        yield data
                        if seen is not None:
                            seen.add(key)


def find_journals(folder: Path) -> list[Path]:
    """The whole run's first: shares were done later."""
    found = sorted(folder.glob("results*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    names = [path for path in found if path.name == JOURNAL or _SHARE.search(path.name)]
    return sorted(names, key=lambda path: path.name != JOURNAL)


def remaining(items: Sequence[Item], journal: Journal) -> list[Item]:
    """What is not done yet; the journal forgets what must be done again.

    Raises:
        LsegError: a mask would take the name of another picture's, which is not part of this run.
    """
    ours, masks = set(map(_path, items)), {mask_path(item.name) for item in items}
    owners = {entry.mask: path for path, entry in journal.done.items() if path not in ours}
    left = []
    for item in items:
        path, mask = _path(item), mask_path(item.name)
        if mask in owners:
            raise LsegError(
                f"{mask} is the mask of {owners[mask]}, and {path} would replace it; take another -o, or --no-resume."
            )
        if not journal.has(item.source.path, mask):
            left.append(item)
    journal.forget([path for path in map(_path, left) if path in journal.done], masks)
    return left


def _path(item: Item) -> str:
    return absolute(item.source.path)


def _share_of(path: Path) -> str:
    match = _SHARE.search(path.name)
    return match[1] if match else ""


def _name_of(shard: str) -> str:
    return f"results-{shard}.jsonl" if shard else JOURNAL


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _entries(path: Path) -> Iterator[tuple[str, Entry]]:
    """Sound lines, by the pictures' absolute paths; a torn one is none."""
    for _, key, entry in _lines(path):
        yield key, entry


def _lines(path: Path) -> Iterator[tuple[bytes, str, Entry]]:
    with path.open("rb") as file:
        for line in file:
            _, entry = _parse(line)
            if entry is not None:
                yield line, entry.stamp.path, entry


def _parse(line: bytes) -> tuple[dict[str, Any], Entry | None]:
    """A line as data and as what the journal knows of it; None of a torn or damaged one."""
    try:
        data = json.loads(line)
        stamp, files = Stamp(**data["file"]), tuple(map(str, data["files"].values()))
        mask = str(data["mask"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, None
    return data, Entry(stamp, mask, (mask, *files)) if line.endswith(b"\n") else None


def _latest(journals: list[Path], done: dict[str, Entry]) -> Iterator[bytes]:
    """The lines that count, each picture once."""
    written: set[str] = set()
    for path in journals:
        for line, key, entry in _lines(path):
            if key not in written and done.get(key) == entry:
                written.add(key)
                yield line
