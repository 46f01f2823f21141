"""The files of an output folder that a run may replace: those that runs of ours have written, and no others.

A file is ours if a line of the journal accounts for it by name, kind and size. A run that is killed leaves files that
have no line yet; so a run that begins notes which files are to come where nothing is, its *claims*, and takes the note
away when it has come to its end. Where lines of the journal are damaged or gone, whatever has the name of a result may
be one.
"""

import json
import os
from collections.abc import Mapping, Sequence

from lseg_cli.errors import LsegError
from lseg_cli.files import atomic
from lseg_cli.results.folder import CLAIMS, OutputFolder, file_name
from lseg_cli.results.records import Item


class Claims:
    """The files that are to come while a run is under way."""

    def __init__(self, output: OutputFolder) -> None:
        """Binds a folder that is locked by this process."""
        self._output = output
        self._path = output.folder / output.named(CLAIMS)

    def add(
        self, items: Sequence[Item], kinds: frozenset[str], known: Mapping[str, int | None], has_lost_lines: bool
    ) -> None:
        """Claims the files of what a run is to do.

        Args:
            items: to be done.
            kinds: the files of each that does not name its own.
            known: bytes of the files that the journal accounts for, by name; None where a line does not say.
            has_lost_lines: the journal does not account for all results.

        Raises:
            LsegError: where one is to come there is one that is not ours.
        """
        names = [file_name(kind, item.name) for item in items for kind in (item.kinds or kinds)]
        before = self._read()
        for name in names:
            if name in before or not os.path.lexists(self._output.folder / name):
                continue
            size = self._output.confinement.size_of(name)
            if not (known[name] == size if name in known else has_lost_lines):
                raise LsegError(
                    f"{self._output.folder / name} is not of an earlier run, or was changed since; move it away, "
                    "choose another folder with -o, or use --no-resume, which moves all results to previous-N."
                )
        if names:
            with atomic(self._path, self._output.shard) as draft:
                draft.write_text(json.dumps(names), "ascii")

    def end(self) -> None:
        """The journal accounts for all files."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> frozenset[str]:
        try:
            return frozenset(map(str, json.loads(self._path.read_bytes())))
        except (OSError, ValueError, TypeError, RecursionError):
            return frozenset()
