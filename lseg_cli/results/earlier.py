"""The results of earlier runs in an output folder: whose they are, what they were made with, and how they make way.

All results of a folder were made with the same labels, model and options, its *record*, which labels.json holds
(embeddings.json, of embeddings). Another record starts anew: what is there moves to `previous-1`, nothing is mixed and
nothing lost. What does not change a mask is no part of the record: files that are asked for later are added, the others
stay.
"""

import json
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from lseg_cli.data.finding import JOURNAL, RESULT_FOLDERS
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic
from lseg_cli.results.folder import EMBEDDINGS, LABELS, RUN, OutputFolder, as_line
from lseg_cli.results.journal_line import Entry
from lseg_cli.results.journal_lines import find_journals, sound_entries
from lseg_cli.results.kinds import OVERLAY_FILMS, TABLES
from lseg_cli.results.report_options import REPORT

Record = dict[str, Any]

_ABOUT = (LABELS, EMBEDDINGS)
_OURS = re.compile(r"(?:results|failures)(?:-\d+-of-\d+)?(?:\.damaged)?\.jsonl|run(?:-\d+-of-\d+)?\.json")
_TEMPORARY = re.compile(r"\.(?:(\d+-of-\d+)-)?\d+-\d+\.tmp")
_OF_REPORT = b"<title>lseg report"  # near the beginning of our page


class EarlierResults:
    """All that earlier runs left in an output folder."""

    def __init__(self, output: OutputFolder) -> None:
        """Binds a folder that is locked by this process, before `OutputFolder.begin`."""
        self._output = output
        self._folder = output.folder
        self._shard = output.shard

    def check_foreign(self, tables: Collection[str]) -> None:
        """Check that results would replace nothing in the folder that is somebody else's.

        Args:
            tables: the files that are to be written of all pictures.

        Raises:
            LsegError: it does.
        """
        about = self._about()
        if about is None and not find_journals(self._folder):
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
        """Return whether there is nothing of an earlier run."""
        return self._about() is None and not find_journals(self._folder)

    def record(self) -> Record | None:
        """Return what the results that are there were made with; None if that is not known."""
        record = (self._about() or {}).get("record")
        return record if isinstance(record, dict) else None

    def has_other(self, record: Record) -> bool:
        """Return whether what is there was made with another record."""
        known = self.record()
        is_used = known is not None or any(path.stat().st_size for path in find_journals(self._folder))
        return is_used and known != _plain(record)

    def changes(self, record: Record) -> str:
        """Return the names of what differs from `record`, for a sentence."""
        known, new = self.record() or {}, _plain(record)
        return ", ".join(name for name in new if known.get(name) != new[name])

    def changed_settings(self, settings: Mapping[str, Any]) -> frozenset[str]:
        """The kinds of files that were made with another setting than they are to be made with now."""
        known = self.settings()
        return frozenset(kind for kind, value in settings.items() if known.get(kind, value) != value)

    def settings(self) -> dict[str, Any]:
        """Return the settings that the files of each kind were made with."""
        known = (self._about() or {}).get("settings")
        return dict(known) if isinstance(known, dict) else {}

    def drop(self, kinds: Collection[str]) -> None:
        """Deletes the files of some kinds, as far as the lines account for them; the lines forget them first."""
        for path in find_journals(self._folder):
            dropped: list[Entry] = []
            with atomic(path, self._shard) as target, target.open("wb") as file:
                for line, _, entry in sound_entries(path, self._folder):
                    data = json.loads(line)
                    for kind in kinds:
                        data["files"].pop(kind, None)
                        data.get("sizes", {}).pop(kind, None)
                    file.write(as_line(data))
                    files = {kind: name for kind, name in entry.files.items() if kind in kinds}
                    dropped.append(entry._replace(files=files))
            for entry in dropped:
                remove_files(self._output, entry)

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
        for path in find_journals(self._folder):
            for _, _, entry in sound_entries(path, self._folder):
                remove_files(self._output, entry)
        for path in (*self._results(), *(self._folder / name for name in self.tables())):
            if path.is_file() and not path.is_symlink():
                path.unlink()
        for about in _ABOUT:
            (self._folder / about).unlink(missing_ok=True)

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

    def _about(self) -> Mapping[str, Any] | None:
        """Return the content of labels.json or embeddings.json; None if no run wrote one."""
        for name in _ABOUT:
            path = self._folder / name
            with suppress(OSError, ValueError, RecursionError):
                if not path.is_symlink() and path.is_file():
                    about = json.loads(path.read_bytes())
                    if isinstance(about, dict) and ("record" in about or find_journals(self._folder)):
                        return about
        return None

    def _results(self) -> list[Path]:
        """All that a run has written, but for what says whose it is."""
        found = [self._folder / name for name in RESULT_FOLDERS if os.path.lexists(self._folder / name)]
        names = sorted(path.name for path in self._folder.iterdir())
        files = [name for name in names if _OURS.fullmatch(name) or name in self.tables()]
        if REPORT in names and _is_report(self._folder / REPORT):
            files.append(REPORT)
        return [*found, *(self._folder / name for name in files)]


def remove_files(output: OutputFolder, entry: Entry, keep: Collection[str] = ()) -> None:
    """Delete a picture's files, as far as its line accounts for them.

    Args:
        output: where they lie.
        entry: the line.
        keep: files that stay.
    """
    for kind, name in entry.files.items():
        size = output.confinement.size_of(name)
        if name not in keep and size is not None and size == entry.sizes.get(kind):
            (output.folder / name).unlink(missing_ok=True)


def _plain(record: Record) -> Record:
    """Return a record as JSON gives it back."""
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
