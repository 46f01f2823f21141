"""Pictures as they come: found among files, folders, patterns, addresses and lists."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lseg_cli.data.store import Address, Place, locate
from lseg_cli.errors import DataError, LsegError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic", ".heif")
JOURNAL = "results.jsonl"  # lies in every output folder, beside:
RESULT_FOLDERS = (
    "masks", "overlays", "conf", "probs", "embeddings", "topk", "npy", "coco-rle", "coco-panoptic", "geojson",
    "labelme", "yolo",
)  # fmt: skip

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read: `path` as the user wrote it, and its `name` (with '/') below `root`, which the output mirrors."""

    path: Place
    root: Place
    name: str


def find_images(inputs: Sequence[str]) -> list[Source]:
    """Pictures among files, folders (recursive, sorted), patterns with `**`, `@list.txt` and `-` (names on stdin).

    An object store's address is a folder or a file like any other, but for patterns.

    A file named by itself, or in a list, is taken whatever it is called; inside folders only `EXTENSIONS` count, and
    hidden files and the results of earlier runs are passed over. The same file is taken once. A file of a list that
    is not there and a folder that cannot be opened are returned too: reading them fails, so they are counted as
    failures and never lost in silence.

    Raises:
        LsegError: a path, store or list that is not there.
        MissingError: an address, without PyArrow.
        DataError: no picture at all.
    """
    found: dict[tuple[str, str], Source] = {}
    real_folders: dict[Place, str] = {}
    for text in inputs:
        for source in _expand(text):
            folder = source.path.parent
            if folder not in real_folders:
                real_folders[folder] = str(folder) if isinstance(folder, Address) else os.path.realpath(folder)
            # A linked folder is the same folder; a linked file is another name that the user may want.
            found.setdefault((real_folders[folder], source.path.name), source)
    if not found:
        extensions = ", ".join(extension[1:] for extension in EXTENSIONS)
        raise DataError(f"There is no picture in {', '.join(inputs) or 'nothing'}; looked for {extensions}.")
    return list(found.values())


def _expand(text: str) -> Iterator[Source]:
    if text == "-":
        return _listed(_names(sys.stdin.buffer.read()))
    if os.path.lexists(text):
        path = Path(text)
        return iter(_walk(path, path)) if path.is_dir() else _listed([text])
    if text.startswith("@"):
        try:
            return _listed(_names(Path(text[1:]).expanduser().read_bytes()))
        except OSError as error:
            raise LsegError(f"The list of pictures {text[1:]} cannot be read ({error.strerror}).") from error
    if text.startswith("file://"):
        return _expand(str(locate(text)))
    place = locate(text)
    if isinstance(place, Address):
        return iter(_stored(place))
    if _MAGIC.search(text):
        return _matches(text)
    raise LsegError(f"There is no file or folder {text!r}; give files, folders, patterns, @list.txt or - for stdin.")


def _names(data: bytes) -> list[str]:
    """Lines of a list, or names ended by zero bytes as `find -print0` writes them; '#' starts a comment."""
    text = data.decode("utf-8-sig", "surrogateescape")
    names = text.split("\0") if "\0" in text else (line.strip() for line in text.split("\n"))
    return [name for name in names if name and not name.startswith("#")]


def _listed(names: Iterable[str]) -> Iterator[Source]:
    for name in names:
        path = locate(name)
        if isinstance(path, Address):
            yield from _stored(path, is_listed=True)
        elif path.is_dir():
            yield from _walk(path, path)
        else:
            yield Source(path, path.parent, path.name)


def _stored(address: Address, is_listed: bool = False) -> list[Source]:
    """What an address names: an object, or a folder with all that is in it."""
    if is_listed and _is_picture(address.name):  # not asked for: a list of a million would take hours
        address.check()
        kind = None
    else:
        kind = address.kind()
    if kind == "folder":
        return _walk_store(address)
    if kind is None and not is_listed:
        advice = "patterns are of files; give the folder" if _MAGIC.search(address.path) else "check bucket and name"
        raise LsegError(f"There is no object or folder {address}; {advice}.")
    return [Source(address, address.parent, address.name)]


def _walk_store(root: Address) -> list[Source]:
    """Pictures below an address, sorted by name; what is passed over in folders is passed over here."""
    found = [(address, address.path[len(root.path) + 1 :]) for address in root.walk()]
    with_journal = {PurePosixPath(name).parent for address, name in found if address.name == JOURNAL}
    sources = []
    for address, name in found:
        folders = PurePosixPath(name).parents
        is_result = any(folder.name in RESULT_FOLDERS and folder.parent in with_journal for folder in folders)
        is_hidden = any(part.startswith(".") for part in name.split("/"))  # '..' as well
        if _is_picture(name) and not is_result and not is_hidden:
            sources.append(Source(address, root, name.lstrip("/")))
    return sorted(sources, key=lambda source: source.name)


def _matches(pattern: str) -> Iterator[Source]:
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
            yield from _walk(path, root)
        elif takes_any or _is_picture(path.name):
            yield Source(path, root, relative.as_posix())


def _walk(folder: Path, root: Path) -> list[Source]:
    """Pictures below a folder, sorted by name; every folder once, so loops of links end, real folders before links."""
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
            if entry.name.startswith(".") or (has_journal and entry.name in RESULT_FOLDERS):
                continue
            path = current / entry.name
            if _is_folder(entry):
                (linked if entry.is_symlink() else pending).append(path)
            elif _is_picture(entry.name):
                sources.append(Source(path, root, path.relative_to(root).as_posix()))
    return sorted(sources, key=lambda source: source.name)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_picture(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)


def _holds_results(root: Path, relative: Path) -> bool:
    """Whether a path lies in the output of an earlier run below `root`."""
    folders = (folder for folder in (relative, *relative.parents) if folder.name in RESULT_FOLDERS)
    return any((root / folder).with_name(JOURNAL).exists() for folder in folders)
