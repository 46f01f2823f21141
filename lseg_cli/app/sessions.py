"""Who has the page open: little of each, and nothing once it is closed."""

import secrets
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from lseg_cli.app.pictures import Chosen
from lseg_cli.errors import LsegError

MOST = 64  # sessions; of more, the one that was idle longest loses its picture


@dataclass
class Session:
    """A page that somebody has open.

    Attributes:
        folder: of its own files; it need not exist.
        chosen: the picture.
        wanted: the picture that is to be shown next; `chosen` where it is shown already.
        grid_place: the first of the next twelve pictures.
    """

    folder: Path
    chosen: Chosen | None = None
    wanted: Chosen | None = None
    grid_place: int = 0
    _received: list[Chosen] = field(default_factory=list)

    @property
    def picture(self) -> Chosen:
        """The picture.

        Raises:
            LsegError: none was chosen yet.
        """
        if self.chosen is None:
            raise LsegError("There is no picture yet; choose one, or drop, paste or take one.")
        return self.chosen

    def receive(self, path: Path) -> Chosen:
        """A picture that came through the page, moved into the session's folder; it is wanted next.

        Raises:
            LsegError: it cannot be kept.
        """
        target = self.folder / "pictures" / secrets.token_hex(4) / path.name
        try:
            target.parent.mkdir(parents=True)
            shutil.move(path, target)
        except OSError as error:
            raise LsegError(f"The picture cannot be kept ({error.strerror or error}).") from error
        self.wanted = received = Chosen(target, path.name, is_upload=True)
        self._received.append(received)
        return received

    def choose(self, chosen: Chosen) -> None:
        """Takes another picture; what came through the page before is deleted."""
        self.chosen = chosen
        self._tidy()

    def refuse(self, chosen: Chosen) -> None:
        """Goes back to the picture that is shown, unless another one is wanted by now."""
        if self.wanted is chosen:
            self.wanted = self.chosen
        self._tidy()

    def _tidy(self) -> None:
        for old in [each for each in self._received if each is not self.chosen and each is not self.wanted]:
            shutil.rmtree(Path(str(old.path)).parent, ignore_errors=True)
            self._received.remove(old)

    def free(self) -> None:
        """Deletes its files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.chosen = None


class Sessions:
    """All pages that are open."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        """None yet.

        Args:
            folder: of the sessions' folders.
            most: sessions at a time.
        """
        self._folder = folder
        self._most = most
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()
        self._count = 0

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def get(self, name: str) -> Session:
        """The session of a page, a new one at first."""
        with self._lock:
            if name not in self._open:
                self._count += 1
                self._open[name] = Session(self._folder / str(self._count))  # not its name, which the page made up
            self._open.move_to_end(name)
            crowded = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - self._most)]
            session = self._open[name]
        for old in crowded:
            old.free()
        return session

    def free(self, name: str) -> None:
        """Forgets a page that was closed."""
        with self._lock:
            session = self._open.pop(name, None)
        if session is not None:
            session.free()
