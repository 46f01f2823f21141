"""The output folder of a run: files of each picture, and records of all that happened."""

import errno
import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lseg_cli.data.finding import JOURNAL
from lseg_cli.errors import LsegError
from lseg_cli.files import atomic, writing
from lseg_cli.results.confinement import Confinement
from lseg_cli.results.journal_line import relative_to
from lseg_cli.results.kinds import place_of
from lseg_cli.results.records import Failed, Result

FAILURES = "failures.jsonl"
LABELS = "labels.json"  # what the masks of a folder mean, and what they were made with
EMBEDDINGS = "embeddings.json"  # what the embeddings of a folder are, and what they were made with
RUN = "run.json"
CLAIMS = ".claims.json"  # files that come while a run is under way

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Written:
    """Files of one picture.

    Attributes:
        files: below the output folder, by kind.
        sizes: in bytes, by kind.
    """

    files: dict[str, str]
    sizes: dict[str, int]

    def beside(self, main: str) -> dict[str, str]:
        """All files but the one of a kind."""
        return {kind: name for kind, name in self.files.items() if kind != main}


class OutputFolder:
    """Writes whole files or none, and a line of the journals for each picture."""

    def __init__(self, folder: Path, shard: str = "", about: str = LABELS) -> None:
        """Names the folder; nothing is written yet.

        Args:
            folder: need not exist.
            shard: '' or such as '2-of-4': the share whose journals are written.
            about: the file that says what the results are.
        """
        self.folder = folder
        self.shard = shard
        self.about = about
        self.confinement = Confinement(folder)

    def check(self) -> None:
        """Raises LsegError where the folder is a file: before anything costly."""
        if self.folder.exists() and not self.folder.is_dir():
            raise LsegError(f"{self.folder} is a file; choose another folder with -o.")

    def check_links(self, kinds: Collection[str], tables: Collection[str]) -> None:
        """Check that whatever is to be written or replaced is a file, and not a link.

        Args:
            kinds: of the files of each picture.
            tables: files of all pictures.

        Raises:
            LsegError: something is.
        """
        names = (JOURNAL, FAILURES, RUN, "results.damaged.jsonl", CLAIMS)
        for name in (LABELS, EMBEDDINGS, *names, *map(self.named, names), *tables):
            self.confinement.check_file(name)
        for kind in kinds:
            folder = Path(place_of(kind)[0])
            linked = next((each for each in (folder, *folder.parents[:-1]) if (self.folder / each).is_symlink()), None)
            if linked is not None:
                raise LsegError(
                    f"{self.folder / linked} is a link, and nothing is written through it; choose another -o."
                )

    def make(self) -> None:
        """Makes the folder.

        Raises:
            LsegError: it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LsegError(f"{self.folder} cannot be written ({error.strerror}); choose another -o.") from error

    def begin(self, about: dict[str, Any]) -> None:
        """Makes the folder with its journals and the file that says what the results are.

        Results that are there stay; failures are forgotten, for those pictures are tried again.

        Args:
            about: for that file.

        Raises:
            LsegError: it cannot be written.
        """
        self.make()
        try:
            for name in (JOURNAL, self.named(JOURNAL)):
                (self.folder / name).touch()
            (self.folder / self.named(FAILURES)).write_bytes(b"")
        except OSError as error:
            raise LsegError(f"{self.folder} cannot be written ({error.strerror}); choose another -o.") from error
        self.write_json(self.about, about)

    def named(self, name: str) -> str:
        """The name that a file has for this share: `results.jsonl` -> `results-2-of-4.jsonl`."""
        stem, _, suffix = name[1:].partition(".")
        return f"{name[0]}{stem}-{self.shard}.{suffix}" if self.shard else name

    def write(self, name: str, writers: Mapping[str, Callable[[Path], None]]) -> Written:
        """Writes files of one picture, each whole or not at all.

        Args:
            name: of the picture, below each of the folders, without extension.
            writers: by kind, of `lseg_cli.results.kinds`: each writes one file.

        Raises:
            DataError: a file cannot be written, or its folder is a link.
            MissingError: the disk is full or read-only.
        """
        files, sizes = dict[str, str](), dict[str, int]()
        for kind, write in writers.items():
            files[kind] = file_name(kind, name)
            self.confinement.check_folder(files[kind])
            with atomic(self.folder / files[kind], self.shard) as draft:
                write(draft)
                sizes[kind] = draft.stat().st_size
        return Written(files, sizes)

    def record(self, result: Result) -> None:
        """Adds a line to its journal.

        Raises:
            LsegError: the disk is full.
        """
        path = self.folder / self.named(FAILURES if isinstance(result, Failed) else JOURNAL)
        if not isinstance(result, Failed):
            result = replace(result, file=replace(result.file, path=relative_to(self.folder, result.file.path)))
        with writing(path):
            known = {key: value for key, value in asdict(result).items() if value is not None}
            append(path, as_line(known))

    def write_json(self, name: str, data: dict[str, Any]) -> None:
        """Writes a file of the folder.

        Raises:
            LsegError: it cannot be written.
        """
        text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        with atomic(self.folder / name) as path:
            path.write_bytes(text.encode("utf-8", "backslashreplace"))


def file_name(kind: str, name: str) -> str:
    """The file of a kind below the output folder, of a picture's name in the output."""
    folder, extension = place_of(kind)
    return f"{folder}/{name}.{extension}"


def as_line(data: Mapping[str, Any]) -> bytes:
    r"""A line of a journal. A name that is not UTF-8 holds lone surrogates; as \udcff they read back the same."""
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def append(path: Path, line: bytes) -> None:
    """Adds to a file, through no link; the system has it when this returns, so `kill -9` loses nothing."""
    with open(os.open(path, _APPEND, 0o666), "ab", buffering=0) as file:  # noqa: PTH123  of a descriptor
        if file.write(line) < len(line):  # a disk takes what still fits
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
