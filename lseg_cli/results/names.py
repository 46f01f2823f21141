"""Names of outputs: the folders of the inputs mirrored, no two pictures on one name, whatever the order."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lseg_cli.data.finding import Source
from lseg_cli.data.formats import is_film
from lseg_cli.data.store import Address, Place
from lseg_cli.results.kinds import FILES

_MOST_BYTES = 255 - max(len(f".{extension}") for _, extension in FILES.values())  # of a file system's names
_DIGEST = 10  # characters of one


def output_names(sources: Sequence[Source]) -> list[str]:
    """Return the name of each source in the output, with '/' and without the extension that an output adds.

    One input folder is mirrored as it is, several below the folder that holds them all. Pictures of one folder that
    differ in the extension alone all keep it (`bus.jpg`, `bus.png`), and so do `Bus.jpg` and `bus.png`, for some file
    systems do not tell the case apart. A name that leaves no room for the longest extension is cut, and ends with a
    digest of the whole.
    """
    paths = [prefix / source.name for prefix, source in zip(_prefixes(sources), sources, strict=True)]
    shorts = [path.with_suffix("") if path.suffix and not is_film(path.name) else path for path in paths]
    names = shorts
    while True:  # a name made longer may meet another one: `a.b.jpg` and `a.b`, so once more until nothing changes
        counts = Counter(_fold(name) for name in names)
        longer = [path if counts[_fold(name)] > 1 else name for path, name in zip(paths, names, strict=True)]
        if longer == names:
            return [str(_fitting(name)) for name in names]
        names = longer


def _prefixes(sources: Sequence[Source]) -> list[PurePosixPath]:
    """Return where each source's root lies below the folder that holds all roots."""
    roots = {root: _absolute(root) for root in {source.root for source in sources}}
    if len(set(roots.values())) == 1:
        return [PurePosixPath()] * len(sources)
    try:
        common = Path(os.path.commonpath(roots.values()))
        below = {root: PurePosixPath(path.relative_to(common).as_posix()) for root, path in roots.items()}
    except ValueError:  # drives of Windows have nothing in common
        below = {root: PurePosixPath(path.drive.strip(":\\/"), *path.parts[1:]) for root, path in roots.items()}
    return [below[source.root] for source in sources]


def _absolute(root: Place) -> Path:
    return root.as_path if isinstance(root, Address) else Path(os.path.abspath(root))  # noqa: PTH100  resolve() follows links


def _fitting(path: PurePosixPath) -> PurePosixPath:
    """A name that any extension can be added to."""
    if len(os.fsencode(path.name)) <= _MOST_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(str(path))).hexdigest()[:_DIGEST]
    short = path.name
    while len(os.fsencode(short)) > _MOST_BYTES - len(digest) - 1:
        short = short[:-1]
    return path.with_name(f"{short}-{digest}")


def _fold(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())
