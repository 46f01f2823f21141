"""What was done before, so that it is not done again: results.jsonl is the journal of an output folder.

A picture counts as done if the journal has a line for its path, the file has the size and time of that line, and its
main file has the name it would get today. All lines of a folder were made with the same labels, model and options, its
*record*, which labels.json holds (embeddings.json, of embeddings). Another record starts anew: what is there moves to
`previous-1`, nothing is mixed and nothing lost. What does not change a mask is no part of the record: files that are
asked for later are added, the others stay. Each share of `--shard i/n` has a journal of its own; the next run without
`--shard` puts them together.

A file is deleted only where a line accounts for it by name, kind and size; for what may be replaced see
`lseg_cli.results.claims`.
"""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from lseg_cli.data.film_frame import FilmFrame, film_of
from lseg_cli.data.finding import JOURNAL, RESULT_FOLDERS
from lseg_cli.data.store import Place, absolute
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic
from lseg_cli.results.claims import Claims
from lseg_cli.results.folder import EMBEDDINGS, LABELS, RUN, OutputFolder, append, as_line, file_name
from lseg_cli.results.journal_line import Entry, parse_line, relative_to
from lseg_cli.results.journal_lines import find_journals, name_of, raw_lines, share_of
from lseg_cli.results.kinds import OVERLAY_FILMS, TABLES
from lseg_cli.results.records import Item, Stamp
from lseg_cli.results.report_options import REPORT

Record = dict[str, Any]

_ABOUT = (LABELS, EMBEDDINGS)
_OURS = re.compile(r"(?:results|failures)(?:-\d+-of-\d+)?(?:\.damaged)?\.jsonl|run(?:-\d+-of-\d+)?\.json")
_TEMPORARY = re.compile(r"\.(?:(\d+-of-\d+)-)?\d+-\d+\.tmp")
_OF_REPORT = b"<title>lseg report"  # near the beginning of our page


class Journal:
    """The lines of an output folder.

    Attributes:
        done: by absolute path or address of the picture.
    """

    def __init__(self, output: OutputFolder) -> None:
        """Of a folder that is locked by this process, before `begin`."""
        self._output = output
        self._folder = output.folder
        self._shard = output.shard
        self._has_lost_lines = False
        self._claims = Claims(output)
        self._adopted: dict[str, Item] = {}
        self.done: dict[str, Entry] = {}

    def check_foreign(self, tables: Collection[str]) -> None:
        """Whether the folder holds nothing of somebody else's that results could replace.

        Args:
            tables: the files that are to be written of all pictures.

        Raises:
            LsegError: it does.
        """
        about = self._about()
        if about is None and not self._journals():
            names = [*_ABOUT, JOURNAL, self._output.named(JOURNAL), self._output.named("failures.jsonl")]
            for name in (*names, self._output.named(RUN), *tables):
                if os.path.lexists(self._folder / name):
                    raise LsegError(f"{self._folder / name} is not of an earlier run; choose another folder with -o.")
            for name in RESULT_FOLDERS:
                with suppress(OSError):
                    if any((self._folder / name).iterdir()):
                        raise LsegError(
                            f"{self._folder / name} is not empty and not of an earlier run; choose another folder "
                            "with -o."
                        )
        for name in set(tables) - set(self.tables()):
            if os.path.lexists(self._folder / name):
                raise LsegError(f"{self._folder / name} is not of an earlier run; choose another folder with -o.")

    def tables(self) -> list[str]:
        """The files of all pictures that earlier runs have written or meant to write."""
        tables = (self._about() or {}).get("tables", [])
        return [name for name in tables if _is_table(name)] if isinstance(tables, list) else []

    def is_empty(self) -> bool:
        """Whether there is nothing of an earlier run."""
        return self._about() is None and not self._journals()

    def record(self) -> Record | None:
        """What the results that are there were made with; None where that is not known."""
        record = (self._about() or {}).get("record")
        return record if isinstance(record, dict) else None

    def has_other(self, record: Record) -> bool:
        """Whether what is there was made with another record."""
        known = self.record()
        is_used = known is not None or any(path.stat().st_size for path in self._journals())
        return is_used and known != _plain(record)

    def changes(self, record: Record) -> str:
        """What differs from `record`, for a sentence."""
        known, new = self.record() or {}, _plain(record)
        return ", ".join(name for name in new if known.get(name) != new[name])

    def set_aside(self) -> Path:
        """Moves all results to the first free `previous-N`; killed halfway, the next time goes on with it."""
        number = 1
        while any((self._folder / f"previous-{number}" / about).exists() for about in _ABOUT):
            number += 1
        target = self._folder / f"previous-{number}"
        self._output.confinement.check_folder(f"previous-{number}/any")
        target.mkdir(exist_ok=True)
        for path in self._results():
            path.replace(target / path.name)
        # Last of all what says whose they are; it marks the folder as complete.
        found = [self._folder / about for about in _ABOUT if (self._folder / about).exists()]
        for path in found:
            path.replace(target / path.name)
        if not found:
            (target / self._output.about).write_text("{}\n")
        return target

    def delete(self) -> None:
        """Removes the results that the journals account for, and the journals."""
        for path in self._journals():
            for _, _, entry in self._entries(path):
                self._remove(entry, ())
        for path in (*self._results(), *(self._folder / name for name in self.tables())):
            if path.is_file() and not path.is_symlink():
                path.unlink()
        for about in _ABOUT:
            (self._folder / about).unlink(missing_ok=True)

    def mend(self) -> list[str]:
        """Sets damaged lines of this run's journal aside, so that the others are whole, each picture once; notices."""
        aside = self._folder / self._output.named("results.damaged.jsonl")
        self._output.confinement.check_file(aside.name)
        damaged = 0
        for path in self._journals():
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
        for path in self._journals():
            self.done.update((key, entry) for _, key, entry in self._entries(path))
        self._has_lost_lines |= len(self.done) < self._count_done()

    def remaining(self, items: Sequence[Item], kinds: frozenset[str]) -> list[Item]:
        """What is not done yet; the journal forgets what must be done again, and claims the files that are to come.

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
            missing = self._missing(item.source.path, main, item.name, kinds)
            if missing:
                left.append(replace(item, kinds=missing if missing != kinds else None))
        known: dict[str, int | None] = {}
        for entry in self.done.values():
            known |= {file: entry.sizes.get(kind) for kind, file in entry.files.items()}
        self._claims.add(left, kinds, known, self._has_lost_lines)
        again = [_key(item) for item in left if item.kinds is None and _key(item) in self.done]
        self._forget(again, {file_name(kind, item.name) for item in items for kind in kinds})
        return left

    def changed_settings(self, settings: Mapping[str, Any]) -> frozenset[str]:
        """The kinds of files that were made with another setting than they are to be made with now."""
        known = self.settings()
        return frozenset(kind for kind, value in settings.items() if known.get(kind, value) != value)

    def settings(self) -> dict[str, Any]:
        """What the files of kinds that have settings were made with."""
        known = (self._about() or {}).get("settings")
        return dict(known) if isinstance(known, dict) else {}

    def drop(self, kinds: Collection[str]) -> None:
        """Deletes the files of some kinds, as far as the lines account for them; the lines forget them first."""
        for path in self._journals():
            dropped: list[Entry] = []
            with atomic(path, self._shard) as target, target.open("wb") as file:
                for line, _, entry in self._entries(path):
                    data = json.loads(line)
                    for kind in kinds:
                        data["files"].pop(kind, None)
                        data.get("sizes", {}).pop(kind, None)
                    file.write(as_line(data))
                    files = {kind: name for kind, name in entry.files.items() if kind in kinds}
                    dropped.append(entry._replace(files=files))
            for entry in dropped:
                self._remove(entry, ())

    def kept(self, path: str) -> Entry | None:
        """What was there before of a picture that only gets more files; None of one that is done anew."""
        return self.done.get(path)

    def end(self, is_whole: bool) -> None:
        """Nothing is in flight any more; a picture that only got more files has one line again.

        Args:
            is_whole: no picture is left, so that the lines account for all files.
        """
        self._keep_latest(self._folder / name_of(self._shard))
        if is_whole:
            self._claims.end()

    def clean(self) -> None:
        """Removes half-written files of a process that was killed: all, or those of this share."""
        for name in (*RESULT_FOLDERS, "."):
            if name != "." and (self._folder / name).is_symlink():
                continue
            for folder, folders, files in os.walk(self._folder / name):
                if name == ".":
                    folders.clear()
                for file in files:
                    match = _TEMPORARY.fullmatch(file)
                    if match and (not self._shard or match[1] == self._shard):
                        Path(folder, file).unlink(missing_ok=True)

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
        last = {key: number for number, (_, key, _) in enumerate(self._entries(path))}
        if len(last) < sum(1 for _ in raw_lines(path)):
            with atomic(path, self._shard) as target, target.open("wb") as file:
                entries = enumerate(self._entries(path))
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

    def _missing(self, path: Place | FilmFrame, main: str, name: str, kinds: frozenset[str]) -> frozenset[str]:
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
            self._remove(self.done.pop(picture), keep)
        shares = [] if self._shard else [path for path in self._journals() if share_of(path)]
        journals = [path for path in self._journals() if share_of(path) == self._shard or path in shares]
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
            for line, key, entry in self._entries(path):
                item = self._adopted.get(key)
                if item is not None:
                    key, entry = _key(item), entry._replace(stamp=replace(entry.stamp, path=_key(item)))  # noqa: PLW2901
                    data = json.loads(line)
                    data["source"], data["file"]["path"] = str(item.source.path), relative_to(self._folder, key)
                    line = as_line(data)  # noqa: PLW2901
                if key not in written and self.done.get(key) == entry:
                    written.add(key)
                    yield line

    def _entries(self, path: Path) -> Iterator[tuple[bytes, str, Entry]]:
        """Sound lines, by the pictures' absolute paths."""
        for line in raw_lines(path):
            found = parse_line(line, self._folder)
            if found is not None:
                yield line, found[1].stamp.path, found[1]

    def _about(self) -> Mapping[str, Any] | None:
        """What labels.json says, or embeddings.json; None where no run wrote one."""
        for name in _ABOUT:
            path = self._folder / name
            with suppress(OSError, ValueError, RecursionError):
                if not path.is_symlink() and path.is_file():
                    about = json.loads(path.read_bytes())
                    if isinstance(about, dict) and ("record" in about or self._journals()):
                        return about
        return None

    def _journals(self) -> list[Path]:
        return find_journals(self._folder)

    def _results(self) -> list[Path]:
        """All that a run has written, but for what says whose it is."""
        found = [self._folder / name for name in RESULT_FOLDERS if os.path.lexists(self._folder / name)]
        names = sorted(path.name for path in self._folder.iterdir())
        files = [name for name in names if _OURS.fullmatch(name) or name in self.tables()]
        if REPORT in names and _is_report(self._folder / REPORT):
            files.append(REPORT)
        return [*found, *(self._folder / name for name in files)]

    def _remove(self, entry: Entry, keep: Collection[str]) -> None:
        """Deletes a picture's files, as far as its line accounts for them."""
        for kind, name in entry.files.items():
            size = self._output.confinement.size_of(name)
            if name not in keep and size is not None and size == entry.sizes.get(kind):
                (self._folder / name).unlink(missing_ok=True)


def _key(item: Item) -> str:
    return absolute(item.source.path)


def _plain(record: Record) -> Record:
    """As JSON gives it back."""
    plain: Record = json.loads(json.dumps(record))
    return plain


def _is_table(name: Any) -> bool:
    """Whether a run gives a file of all pictures, or of all frames of a film, such a name."""
    if name in TABLES.values():
        return True
    is_text = isinstance(name, str) and name.startswith(OVERLAY_FILMS)
    return is_text and ".." not in PurePosixPath(name).parts and "\0" not in name


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return not path.is_symlink() and _OF_REPORT in file.read(1000)
    except OSError:
        return False
