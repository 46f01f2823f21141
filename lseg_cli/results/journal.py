"""The journal of an output folder, results.jsonl: a picture that it names is not done again.

A picture counts as done if the journal has a line for its path, the file has the size and time of that line, and its
main file has the name it would get today. Each share of `--shard i/n` has a journal of its own; the next run without
`--shard` puts them together.

A file is deleted only where a line accounts for it by name, kind and size; for what may be replaced see
`lseg_cli.results.claims`, and for results that another run made `lseg_cli.results.earlier`.
"""

import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from lseg_cli.data.film_frame import FilmFrame, film_of
from lseg_cli.data.store import Place, absolute
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic
from lseg_cli.results.claims import Claims
from lseg_cli.results.earlier import remove_files
from lseg_cli.results.folder import RUN, OutputFolder, append, as_line, file_name
from lseg_cli.results.journal_line import Entry, parse_line, relative_to
from lseg_cli.results.journal_lines import find_journals, name_of, raw_lines, share_of, sound_entries
from lseg_cli.results.records import Item, Stamp


class Journal:
    """The lines of an output folder.

    Attributes:
        done: by absolute path or address of the picture.
    """

    def __init__(self, output: OutputFolder) -> None:
        """Binds a folder that is locked by this process, before `OutputFolder.begin`."""
        self._output = output
        self._folder = output.folder
        self._shard = output.shard
        self._has_lost_lines = False
        self._claims = Claims(output)
        self._adopted: dict[str, Item] = {}
        self.done: dict[str, Entry] = {}

    def mend(self) -> list[str]:
        """Sets damaged lines of this run's journal aside, so that the others are whole, each picture once; notices."""
        aside = self._folder / self._output.named("results.damaged.jsonl")
        self._output.confinement.check_file(aside.name)
        damaged = 0
        for path in find_journals(self._folder):
            if self._shard in ("", share_of(path)):  # others may be adding to theirs
                damaged += self._set_damage_aside(path, aside)
                self._keep_latest(path)
        if not damaged:
            return []
        lines = "1 line of the journal was" if damaged == 1 else f"{damaged} lines of the journal were"
        return [f"{lines} damaged and set aside in {aside}; those pictures are done again."]

    def read(self) -> None:
        """Fills `done` from all journals; of two lines for a picture the later one counts."""
        self.done = {}
        for path in find_journals(self._folder):
            self.done.update((key, entry) for _, key, entry in sound_entries(path, self._folder))
        self._has_lost_lines |= len(self.done) < self._count_done()

    def remaining(self, items: Sequence[Item], kinds: frozenset[str]) -> list[Item]:
        """Return the items not done yet; the journal forgets what must be done again, and claims the files to come.

        Args:
            items: all of the run.
            kinds: of the files that each is to have.

        Raises:
            LsegError: a file would take the place of another picture's, or of one that no run has written.
        """
        self._adopt(items)
        ours = {_key(item) for item in items}
        owners = {entry.files[entry.main]: path for path, entry in self.done.items() if path not in ours}
        left = []
        for item in items:
            main = file_name(self._main(kinds), item.name)
            if main in owners:
                raise LsegError(
                    f"{main} is the {self._main(kinds).partition('-')[0]} of {owners[main]}, and {_key(item)} would "
                    "replace it; take another -o, or --no-resume."
                )
            missing = self._missing(item.source.path, main, kinds)
            if missing:
                left.append(replace(item, kinds=missing if missing != kinds else None))
        known: dict[str, int | None] = {}
        for entry in self.done.values():
            known |= {file: entry.sizes.get(kind) for kind, file in entry.files.items()}
        self._claims.add(left, kinds, known, self._has_lost_lines)
        again = [_key(item) for item in left if item.kinds is None and _key(item) in self.done]
        self._forget(again, {file_name(kind, item.name) for item in items for kind in kinds})
        return left

    def kept(self, path: str) -> Entry | None:
        """Return the entry of a picture that only gets more files; None for one that is done anew."""
        return self.done.get(path)

    def end(self, is_whole: bool) -> None:
        """End a run: nothing is in flight any more, and a picture that only got more files has one line again.

        Args:
            is_whole: no picture is left, so that the lines account for all files.
        """
        self._keep_latest(self._folder / name_of(self._shard))
        if is_whole:
            self._claims.end()

    def _set_damage_aside(self, path: Path, aside: Path) -> int:
        """Copies a journal's damaged lines; how many had something in them."""
        damaged = 0
        for number, line in enumerate(raw_lines(path), 1):
            if parse_line(line, self._folder) is not None:
                continue
            self._has_lost_lines = True
            if line.strip():
                damaged += 1
                content = line.decode("utf-8", "backslashreplace")
                append(aside, as_line({"journal": path.name, "line": number, "content": content}))
        return damaged

    def _keep_latest(self, path: Path) -> None:
        """Leaves the sound lines in a journal, of each picture the last one."""
        last = {key: number for number, (_, key, _) in enumerate(sound_entries(path, self._folder))}
        if len(last) < sum(1 for _ in raw_lines(path)):
            with atomic(path, self._shard) as target, target.open("wb") as file:
                entries = enumerate(sound_entries(path, self._folder))
                file.writelines(line for number, (line, key, _) in entries if last[key] == number)

    def _count_done(self) -> int:
        """Pictures that the last run said were done; 0 where it did not come to say so."""
        try:
            report = json.loads((self._folder / self._output.named(RUN)).read_bytes())
            return int(report["counts"]["done"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return 0

    def _main(self, kinds: frozenset[str]) -> str:
        return next(kind for kind in ("mask", "embedding", "embedding-npy") if kind in kinds)

    def _missing(self, path: Place | FilmFrame, main: str, kinds: frozenset[str]) -> frozenset[str]:
        """The files that a picture lacks, as it is now and under this name; all where it must be done anew."""
        entry = self.done.get(absolute(path))
        if entry is None or entry.files[entry.main] != main or entry.stamp != Stamp.of(path):
            return kinds
        gone = {kind for kind, file in entry.files.items() if not (self._folder / file).exists()}
        if entry.main in gone:
            return kinds
        return frozenset(kind for kind in kinds if kind not in entry.files or kind in gone)

    def _adopt(self, items: Sequence[Item]) -> None:
        """Takes a picture whose file lies elsewhere now for the same: its old path is gone, its facts are the same."""
        by_file = {entry.files[entry.main]: (key, entry) for key, entry in self.done.items()}
        ours = {_key(item) for item in items}
        for item in items:
            candidates = (by_file.get(file_name(kind, item.name)) for kind in ("mask", "embedding", "embedding-npy"))
            key, entry = next((each for each in candidates if each is not None), ("", None))
            if entry is None or key in ours or _key(item) in self.done or os.path.lexists(film_of(key)):
                continue
            now = Stamp.of(item.source.path)
            if PurePath(key).name == PurePath(now.path).name and replace(now, path=key) == entry.stamp:
                del self.done[key]
                self.done[now.path] = entry._replace(stamp=now)
                self._adopted[key] = item

    def _forget(self, paths: Collection[str], keep: Collection[str]) -> None:
        """Takes out pictures that are done again or changed, with their files but for those in `keep`; repairs lines.

        A run that has the folder to itself also puts the journals of shares together.
        """
        for picture in paths:
            remove_files(self._output, self.done.pop(picture), keep)
        shares = [] if self._shard else [path for path in find_journals(self._folder) if share_of(path)]
        journals = [path for path in find_journals(self._folder) if share_of(path) == self._shard or path in shares]
        if journals and (paths or shares or self._adopted):
            with atomic(self._folder / name_of(self._shard), self._shard) as target, target.open("wb") as file:
                file.writelines(self._latest(journals))
            for path in shares:
                for name in ("results", "failures", "run"):
                    for each in self._folder.glob(f"{name}-{share_of(path)}.json*"):
                        each.unlink()
                (self._folder / f".claims-{share_of(path)}.json").unlink(missing_ok=True)

    def _latest(self, journals: Sequence[Path]) -> Iterator[bytes]:
        """The lines that count, each picture once; of adopted ones with where they lie now."""
        written: set[str] = set()
        for path in journals:
            for line, key, entry in sound_entries(path, self._folder):
                item = self._adopted.get(key)
                if item is not None:
                    key, entry = _key(item), entry._replace(stamp=replace(entry.stamp, path=_key(item)))  # noqa: PLW2901
                    data = json.loads(line)
                    data["source"], data["file"]["path"] = str(item.source.path), relative_to(self._folder, key)
                    line = as_line(data)  # noqa: PLW2901
                if key not in written and self.done.get(key) == entry:
                    written.add(key)
                    yield line


def _key(item: Item) -> str:
    return absolute(item.source.path)
