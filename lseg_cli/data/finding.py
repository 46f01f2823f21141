"""Pictures as they come: found among files, folders, patterns, addresses and lists."""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from lseg_cli.data.formats import ENDINGS, is_excluded, is_film, is_left_out, is_picture, passed_over
from lseg_cli.data.store import Address, Place, locate
from lseg_cli.errors import DataError, LsegError
from lseg_cli.files import decode_text, not_text, read_regular

JOURNAL = "results.jsonl"  # lies in every output folder, beside:
RESULT_FOLDERS = (
    "masks", "overlays", "cutouts", "conf", "probs", "embeddings", "topk", "npy", "binary", "coco-rle", "coco-polygons",
    "coco-panoptic", "geojson", "labelme", "cvat", "yolo", "overlay-films",
)  # fmt: skip

_MAGIC = re.compile(r"[*?\[]")
_LONGEST_LIST = 256_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read: `path` as the user wrote it, and its `name` (with '/') below `root`, which the output mirrors."""

    path: Place
    root: Place
    name: str


def find_images(
    inputs: Sequence[str],
    exclude: Sequence[str] = (),
    recursive: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
) -> list[Source]:
    """Pictures among files, folders (recursive, sorted), patterns with `**`, `@list.txt` and `-` (names on stdin).

    An object store's address is a folder or a file like any other, but for patterns.

    A file named by itself, or in a list, is taken whatever it is called; inside folders only `ENDINGS` count, and
    hidden files, thumbnails of a NAS and the results of earlier runs are passed over. The same file is taken once. A
    file of a list that is not there and a folder that cannot be opened are returned too: reading them fails, so they
    are counted as failures and never lost in silence.

    Args:
        inputs: as the user wrote them.
        exclude: patterns of names to leave out in folders: of a name below the folder, or of one part of it.
        recursive: a list may name a folder that holds the list itself.
        say: receives a sentence on what was passed over.

    Raises:
        LsegError: a path, store or list that is not there, or a list that cannot be used.
        MissingError: an address, without PyArrow.
        DataError: no picture at all.
    """
    search = _Search(tuple(exclude), recursive)
    found: dict[tuple[str, str], Source] = {}
    real_folders: dict[Place, str] = {}
    for text in inputs:
        for source in search.expand(text):
            folder = source.path.parent
            if folder not in real_folders:
                real_folders[folder] = str(folder) if isinstance(folder, Address) else os.path.realpath(folder)
            # A linked folder is the same folder; a linked file is another name that the user may want.
            found.setdefault((real_folders[folder], source.path.name), source)
    notes = search.notes()
    if not found:
        endings = ", ".join(ending[1:] for ending in ENDINGS)
        raise DataError(
            " ".join([f"There is no picture in {', '.join(inputs) or 'nothing'}; looked for {endings}.", *notes])
        )
    for note in notes:
        say(note)
    return list(found.values())


class _Search:
    """One search, and a count of what it passes over."""

    def __init__(self, exclude: tuple[str, ...], recursive: bool) -> None:
        self._exclude, self._recursive = exclude, recursive
        self._endings: Counter[str] = Counter()  # of files that are not pictures
        self._folders: Counter[str] = Counter()  # of thumbnails
        self._excluded = 0

    def notes(self) -> list[str]:
        """Return sentences on what was passed over."""
        notes = [passed_over(self._endings)]
        if any(map(is_film, self._endings)):
            notes[0] += " Name films themselves to segment their frames."
        if self._folders:
            names = ", ".join(f"{count} {name}" for name, count in self._folders.most_common())
            notes.append(f"Folders of thumbnails were passed over: {names}.")
        if self._excluded:
            notes.append(f"--exclude left out {self._excluded} file{'s or folders' if self._excluded > 1 else ''}.")
        return [note for note in notes if note]

    def expand(self, text: str) -> Iterator[Source]:
        """Yield the sources that one input names."""
        if text == "-":
            return self._listed(_names(sys.stdin.buffer.read(), "stdin"), Path.cwd())
        if os.path.lexists(text):
            path = Path(text)
            return iter(self._walk(path, path)) if path.is_dir() else self._listed([text], None)
        if text.startswith("@"):
            path = Path(text[1:]).expanduser()
            try:
                data = read_regular(path, _LONGEST_LIST)
            except OSError as error:
                raise LsegError(f"The list of pictures {text[1:]} cannot be read ({error.strerror}).") from error
            return self._listed(_names(data, text[1:]), path.parent)
        if text.startswith("file://"):
            return self.expand(str(locate(text)))
        place = locate(text)
        if isinstance(place, Address):
            return iter(self._stored(place))
        if _MAGIC.search(text):
            return self._matches(text)
        raise LsegError(
            f"There is no file or folder {text!r}; give files, folders, patterns, @list.txt or - for stdin."
        )

    def _listed(self, names: Iterable[str], home: Path | None) -> Iterator[Source]:
        """Yield the sources of several names; `home`: the folder of their list, None: they are not from a list."""
        for name in names:
            path = locate(name)
            if isinstance(path, Address):
                yield from self._stored(path, is_listed=True)
            elif path.is_dir():
                if (
                    home is not None
                    and not self._recursive
                    and Path(os.path.realpath(home)).is_relative_to(os.path.realpath(path))
                ):
                    raise LsegError(
                        f"The list names {name!r}, a folder that holds the list itself; give --recursive to take all "
                        "that is below it."
                    )
                yield from self._walk(path, path)
            else:
                yield Source(path, path.parent, path.name)

    def _stored(self, address: Address, is_listed: bool = False) -> list[Source]:
        """Yield the sources of an address: an object, or all objects of a folder."""
        if is_listed and is_picture(address.name):  # not asked for: a list of a million would take hours
            address.check()
            kind = None
        else:
            kind = address.kind()
        if kind == "folder":
            return self._walk_store(address)
        if kind is None and not is_listed:
            advice = (
                "patterns are of files; give the folder" if _MAGIC.search(address.path) else "check bucket and name"
            )
            raise LsegError(f"There is no object or folder {address}; {advice}.")
        return [Source(address, address.parent, address.name)]

    def _walk_store(self, root: Address) -> list[Source]:
        """Pictures below an address, sorted by name; what is passed over in folders is passed over here."""
        found = [(address, address.path[len(root.path) + 1 :]) for address in root.walk()]
        with_journal = {PurePosixPath(name).parent for address, name in found if address.name == JOURNAL}
        sources = []
        for address, name in found:
            folders = PurePosixPath(name).parents
            is_result = any(folder.name in RESULT_FOLDERS and folder.parent in with_journal for folder in folders)
            is_hidden = any(part.startswith(".") for part in name.split("/"))  # '..' as well
            if not is_result and not is_hidden and self._takes(name.lstrip("/")):
                sources.append(Source(address, root, name.lstrip("/")))
        return sorted(sources, key=lambda source: source.name)

    def _matches(self, pattern: str) -> Iterator[Source]:
        """Files that match, and what is inside matching folders, as a shell would pass them on."""
        parts = Path(pattern).parts
        first = next(index for index, part in enumerate(parts) if _MAGIC.search(part))
        root = Path(*parts[:first])
        try:
            matches = sorted(root.glob("/".join(parts[first:])))  # does not follow linked folders: no loops
        except ValueError as error:
            raise LsegError(f"The pattern {pattern!r} cannot be used: {error}.") from error
        suffix = Path(pattern).suffix
        takes_any = bool(suffix) and not _MAGIC.search(suffix)  # '*.ppm' asks for ppm
        for path in matches:
            relative = path.relative_to(root)
            if any(part.startswith(".") for part in relative.parts) or _holds_results(root, relative):
                continue
            if path.is_dir():
                if self._enters(relative.as_posix()):
                    yield from self._walk(path, root)
            elif self._takes(relative.as_posix(), takes_any):
                yield Source(path, root, relative.as_posix())

    def _walk(self, folder: Path, root: Path) -> list[Source]:
        """Pictures below a folder, sorted by name; every folder once: loops of links end, real ones before links."""
        sources: list[Source] = []
        seen: set[str] = set()
        pending, linked = [folder], list[Path]()
        while pending or linked:
            current = pending.pop() if pending else linked.pop(0)
            real = os.path.realpath(current)
            if real in seen:
                continue
            seen.add(real)
            try:
                entries = sorted(os.scandir(current), key=lambda entry: entry.name)
            except OSError:
                sources.append(Source(current, root, current.relative_to(root).as_posix()))  # fails when read
                continue
            has_journal = any(entry.name == JOURNAL for entry in entries)
            for entry in entries:
                path, name = current / entry.name, (current / entry.name).relative_to(root).as_posix()
                if entry.name.startswith(".") or (has_journal and entry.name in RESULT_FOLDERS):
                    continue
                is_folder = _is_folder(entry)
                if is_folder and self._enters(name):
                    (linked if entry.is_symlink() else pending).append(path)
                elif not is_folder and self._takes(name):
                    sources.append(Source(path, root, name))
        return sorted(sources, key=lambda source: source.name)

    def _enters(self, name: str) -> bool:
        """Return whether a folder, by its name below the root, is gone into; counts it if not."""
        last = PurePath(name).name
        if is_left_out(last):
            self._folders[last] += 1
            return False
        return not self._is_excluded(name)

    def _takes(self, name: str, takes_any: bool = False) -> bool:
        """Return whether a file, by its name below the root, is a picture to take; counts it if not."""
        left_out = [part for part in PurePosixPath(name).parts[:-1] if is_left_out(part)]
        if left_out:
            self._folders.setdefault(left_out[0], 1)
            return False
        if self._is_excluded(name):
            return False
        if takes_any or is_picture(name):
            return True
        self._endings[PurePosixPath(name).suffix.lower()] += 1
        return False

    def _is_excluded(self, name: str) -> bool:
        excluded = is_excluded(name, self._exclude)
        self._excluded += excluded
        return excluded


def _names(data: bytes, what: str) -> list[str]:
    """Lines of a list, or names ended by zero bytes as `find -print0` writes them; '#' starts a comment."""
    if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        names = [os.fsdecode(name) for name in data.split(b"\0")]  # any name that a file can have
        if 2 * sum(len(name) == 1 for name in names) > len(names):  # letters of UTF-16 without a mark
            raise not_text(f"The list of pictures {what}")
    else:
        names = [line.strip() for line in decode_text(data, f"The list of pictures {what}").split("\n")]
    return [name for name in names if name and not name.startswith("#")]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """A link to a folder that is called like a picture is none: as a picture, it fails, and is counted."""
    try:
        return entry.is_dir() and not (entry.is_symlink() and is_picture(entry.name))
    except OSError:  # a link to itself
        return False


def _holds_results(root: Path, relative: Path) -> bool:
    """Return whether a path lies in the output of an earlier run below `root`."""
    folders = (folder for folder in (relative, *relative.parents) if folder.name in RESULT_FOLDERS)
    return any((root / folder).with_name(JOURNAL).exists() for folder in folders)
