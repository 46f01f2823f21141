"""A published checkpoint -> a file, resumed where an earlier attempt broke off; then the model, kept under its name.

`gdown` does the fetching, from Google Drive and from mirrors: it knows the page with which Drive answers instead of a
large file, keeps what has come, and asks for the rest.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lseg_cli.errors import DataError, LsegError, MismatchError, MissingError
from lseg_cli.model.published.zoo import PUBLISHED, Published
from lseg_cli.model.text.clip_files import is_offline

if TYPE_CHECKING:
    from lseg_cli.model.published.conversion import Conversion, ConvertOptions

RETRIES = 2
_TIMEOUT_S = (10.0, 60.0)  # to connect, and between two parts

Progress = Callable[[int, int | None], None]  # bytes so far, and in all where that is known


def find_published(name: str) -> Published:
    """The published checkpoint of a name.

    Raises:
        LsegError: there is none.
    """
    if name not in PUBLISHED:
        raise LsegError(f"There is no published model {name!r}; there are {', '.join(PUBLISHED)}.")
    return PUBLISHED[name]


def pull(published: Published, url: str, options: "ConvertOptions", progress: Progress) -> "Conversion":
    """Fetches a checkpoint, converts it and keeps the model; the checkpoint itself is not kept.

    Args:
        published: what to fetch.
        url: of a mirror, or a file that a browser fetched; '' for Google Drive.
        options: as `convert` takes them.
        progress: receives how much is here.

    Raises:
        MissingError: gdown is not installed, or the server cannot be reached or refuses.
        DataError: the transfer broke off, or what came is not a whole checkpoint.
        MismatchError: it is another checkpoint.
        LsegError: the cache cannot be written.
    """
    from lseg_cli.model.published.conversion import convert, write_model  # noqa: PLC0415  torch: not before all has come
    from lseg_cli.model.published.lightning import read_checkpoint  # noqa: PLC0415

    is_local = bool(url) and Path(url).is_file()
    path = Path(url) if is_local else published.path.with_suffix(".ckpt")
    if not is_local:
        fetch(published, url, path, progress)
    try:
        result = convert(read_checkpoint(path), replace(options, name=published.name))
        if result.variant != published.variant:
            raise MismatchError(f"What came is a {result.variant}, but {published.name} is a {published.variant}.")
    except LsegError as error:
        if not is_local:
            path.unlink(missing_ok=True)  # else it would be taken for a finished download the next time
            raise type(error)(f"{error} It came from {url or published.page}.") from error
        raise
    write_model(result, published.path)
    if not is_local:
        path.unlink()
    return result


def fetch(published: Published, url: str, path: Path, progress: Progress) -> None:
    """Downloads to `path`; a part that an earlier attempt left beside it is gone on with.

    Raises:
        MissingError: gdown is not installed, or the server cannot be reached or refuses.
        DataError: the transfer broke off.
        LsegError: the folder cannot be written.
    """
    if is_offline():
        raise MissingError(f"{published.name} cannot be fetched with --offline or HF_HUB_OFFLINE; run it without.")
    try:
        import gdown  # noqa: PLC0415  an extra
    except ImportError as error:
        raise MissingError("Fetching published models needs gdown: pip install 'lseg-cli[pull]'.") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_suffix(".probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LsegError(f"{path.parent} cannot be written ({error.strerror}); set LSEG_CACHE to a folder.") from error
    way_out = f"fetch {published.page} with a browser, then lseg models pull {published.name} --url FILE"
    try:
        gdown.download(
            url=url or None,
            id=None if url else published.drive_id,
            output=str(path),
            quiet=True,
            resume=True,
            use_cookies=False,
            progress=progress,
            timeout=_TIMEOUT_S,
            retries=RETRIES,
        )
    except gdown.FileURLRetrievalError as error:
        raise MissingError(
            f"Google Drive does not give {published.name} to programs just now (often too many have asked for it "
            f"today): try again later, or {way_out}."
        ) from error
    except gdown.DownloadError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{reason}; run the command again, and it goes on where it stopped.") from error
    except OSError as error:  # of requests: no network, no such host, an answer of 404
        raise MissingError(
            f"{url or published.page} cannot be fetched ({' '.join(str(error).split())[:200]}); check the network, or "
            f"{way_out}."
        ) from error
