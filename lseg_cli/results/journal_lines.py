"""The journals of an output folder, read line by line."""

import re
import stat
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lseg_cli.data.finding import JOURNAL
from lseg_cli.results.journal_line import MOST_BYTES, Entry, parse_line

_SHARE = re.compile(r"results-(\d+-of-\d+)\.jsonl")


class JournalLines:
    """Lines of an output folder as data, as often as they are iterated, one at a time: each picture once.

    The path of a picture's file is absolute. Memory does not grow with the journal of a run that came to its end; with
    several journals, or while a run is under way, by a hash of each picture.

    Attributes:
        damaged: lines that say nothing, in the last iteration.
    """

    def __init__(self, folder: Path) -> None:
        """Binds an output folder."""
        self._folder = folder
        self.damaged = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the lines from the first; of two lines for a picture the later one."""
        self.damaged = 0
        journals = find_journals(self._folder)
        is_sure = len(journals) == 1 and not any(self._folder.glob(".claims*.json"))
        last = {} if is_sure else {hash(key): number for number, key, _ in self._sound(journals)}
        self.damaged = 0
        for number, key, data in self._sound(journals):
            if is_sure or last.get(hash(key)) == number:
                yield data

    def _sound(self, journals: list[Path]) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Numbers of lines, the pictures' paths and what the lines say."""
        for number, line in enumerate(line for path in journals for line in raw_lines(path)):
            found = parse_line(line, self._folder)
            if found is None:
                self.damaged += bool(line.strip())
                continue
            data, entry = found
            yield number, entry.stamp.path, {**data, "file": asdict(entry.stamp)}


def find_journals(folder: Path) -> list[Path]:
    """The whole run's first: shares were done later. Links and what is not a regular file are passed over."""
    found = []
    for path in folder.glob("results*.jsonl"):
        facts = path.lstat()
        if stat.S_ISREG(facts.st_mode) and (path.name == JOURNAL or share_of(path)):
            found.append((path.name != JOURNAL, facts.st_mtime_ns, path))
    return [path for _, _, path in sorted(found)]


def raw_lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends; one that is far too long in parts, which are damaged."""
    with path.open("rb") as file:
        while line := file.readline(MOST_BYTES + 1):
            yield line


def sound_entries(path: Path, folder: Path) -> Iterator[tuple[bytes, str, Entry]]:
    """The lines of a journal that are whole, each with the picture's absolute path and what the journal knows of it.

    Args:
        path: of the journal.
        folder: of the output.
    """
    for line in raw_lines(path):
        found = parse_line(line, folder)
        if found is not None:
            yield line, found[1].stamp.path, found[1]


def share_of(path: Path) -> str:
    """The share that a journal is of, such as '2-of-4'; '' of the whole run's."""
    match = _SHARE.fullmatch(path.name)
    return match[1] if match else ""


def name_of(shard: str) -> str:
    """The journal of a share, or of the whole run."""
    return f"results-{shard}.jsonl" if shard else JOURNAL
