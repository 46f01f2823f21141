"""Confinement: nothing is written or deleted outside the output folder, nor through a link in it."""

import os
import stat
from pathlib import Path

from lseg_cli.errors import DataError, LsegError


class Confinement:
    """The output folder as the place that nothing leaves; it may itself be a link."""

    def __init__(self, folder: Path) -> None:
        """Binds a folder that need not exist yet."""
        self._folder = folder
        self._sound: set[Path] = set()  # folders that were looked at, for every picture has several files in them

    def check_file(self, name: str) -> None:
        """Check that a journal, lock or table may be written: it is a regular file, or not there.

        Raises:
            LsegError: it is a link, a folder, a pipe or a device.
        """
        path = self._folder / name
        try:
            mode = path.lstat().st_mode
        except OSError:
            return
        if not stat.S_ISREG(mode):
            kind = "a link" if stat.S_ISLNK(mode) else "not a regular file"
            raise LsegError(f"{path} is {kind}, and a run would write through it; remove it, or choose another -o.")

    def check_folder(self, name: str) -> None:
        """Check that files may be written below a folder of the results: no part of its path is a link.

        Raises:
            DataError: it is, or leads out of the output folder.
        """
        folder = (self._folder / name).parent
        if folder in self._sound:
            return
        if not self.holds(name):
            raise DataError(f"{folder} is a link or lies outside {self._folder}; nothing is written through it.")
        self._sound.add(folder)

    def holds(self, name: str) -> bool:
        """Return whether a name lies inside the folder and no folder on its way is a link."""
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            return False
        parent = Path(name).parent
        real = Path(os.path.realpath(self._folder))
        return Path(os.path.realpath(self._folder / parent)) == real / parent

    def size_of(self, name: str) -> int | None:
        """Bytes of a regular file inside the folder, reached through no link; None where there is none."""
        try:
            facts = (self._folder / name).lstat()
        except (OSError, ValueError):
            return None
        return facts.st_size if stat.S_ISREG(facts.st_mode) and self.holds(name) else None
