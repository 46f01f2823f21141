"""The lock of an output folder: one process may write to it, or one for each share of `--shard`.

Locks are the operating system's, so those of a killed process are gone with it.
"""

from pathlib import Path

from filelock import FileLock, Timeout

from lseg_cli.errors import LsegError
from lseg_cli.results.confinement import Confinement

_BEGIN_S = 30.0  # shares that start together set the folder up one after the other
_WHOLE = ".lock"


class FolderLock:
    """A whole run holds the folder. A share holds its number, and the folder while it sets up."""

    def __init__(self, folder: Path, shard: str = "") -> None:
        """`shard`: '' or such as '2-of-4'."""
        self._folder = folder
        self._whole = FileLock(folder / _WHOLE, thread_local=False)
        self._share = FileLock(folder / f"{_WHOLE}-{shard}", thread_local=False) if shard else None

    def acquire(self) -> list[str]:
        """Takes what there is to take; notices.

        Raises:
            LsegError: another process is at it, or a lock is a link to somewhere else.
        """
        for lock in (self._whole, self._share):
            if lock is not None:
                Confinement(self._folder).check_file(Path(lock.lock_file).name)
        try:
            if self._share is not None:
                self._share.acquire(timeout=0)
            self._whole.acquire(timeout=0 if self._share is None else _BEGIN_S)
        except Timeout as error:
            self.release()
            raise self._refusal() from error
        except (OSError, NotImplementedError) as error:
            return [f"{self._folder} cannot be locked ({error}): let no other process write to it."]
        if self._share is None:
            self.check_alone()
        return []

    def check_alone(self) -> None:
        """Check that no other share is being done.

        Raises:
            LsegError: there is one.
        """
        own = None if self._share is None else Path(self._share.lock_file)
        for path in self._folder.glob(f"{_WHOLE}-*"):
            if path == own or not path.is_file() or path.is_symlink():
                continue
            try:
                with FileLock(path, timeout=0):
                    pass
            except Timeout as error:
                self.release()
                raise self._refusal() from error

    def begin(self) -> None:
        """The folder is set up: other shares may start."""
        if self._share is not None:
            self._whole.release()

    def release(self) -> None:
        """Lets others in."""
        self._whole.release()
        if self._share is not None:
            self._share.release()

    def _refusal(self) -> LsegError:
        return LsegError(
            f"Another process is writing to {self._folder}; wait for it, take another -o, or give each process its "
            "--shard i/n."
        )
