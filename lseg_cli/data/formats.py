"""The formats of pictures: one list of endings for all readers, and the formats that are opened, by content.

Pillow knows more formats than these. Some of the others start a program (EPS: Ghostscript), read a file without end or
have no mark by which their content is known, so nothing is opened without this list.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import PurePath

_HEIF = (".heic", ".heif", ".hif")
ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", *_HEIF, ".mpo", ".jp2",
    ".j2k", ".ppm", ".pgm", ".pnm", ".tga", ".dib", ".apng", ".qoi",
)  # fmt: skip
MASK_ENDINGS = (".png", ".tif", ".tiff", ".bmp")  # they keep ids as they are
_FORMATS = (
    "JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF", "HEIF", "JPEG2000", "PPM", "QOI", "SGI", "PCX",
    "ICO", "PSD",
)  # fmt: skip
FILM_ENDINGS = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp",
    ".ogv",
)  # fmt: skip
# Thumbnails of a NAS, of desktops and of macOS's archives: never what the user means by a folder of pictures.
_LEFT_OUT = ("@eadir", "@recycle", "#recycle", ".thumbnails", "__macosx")
_FOREIGN = (  # a file's first bytes: what it is
    (b"%!PS", "PostScript, which is a program and is never run"),
    (b"\xc5\xd0\xd3\xc6", "PostScript, which is a program and is never run"),
    (b"%PDF", "a PDF"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"<svg", "an SVG drawing"),
    (b"\x1aE\xdf\xa3", "a film"),
)
_FILMS = (b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"avc1", b"M4V ")
_NAMED = 6  # endings of which passed-over files are said in full


def formats_of(name: str) -> tuple[str, ...]:
    """Pillow's formats that a file of this name may have; Targa has no mark in its content, so its name decides."""
    return (*_FORMATS, "TGA") if name.lower().endswith(".tga") else _FORMATS


def is_picture(name: str) -> bool:
    """Return whether a file in a folder counts as a picture, by its ending."""
    return name.lower().endswith(ENDINGS)


def is_film(name: str) -> bool:
    """Whether a file is a film, by its ending."""
    return name.lower().endswith(FILM_ENDINGS)


def is_heif(name: str) -> bool:
    """Return whether its ending is of HEIF, which needs a package."""
    return name.lower().endswith(_HEIF)


def is_left_out(folder: str) -> bool:
    """Return whether a folder of this name holds thumbnails, which are never meant."""
    return folder.lower() in _LEFT_OUT


def is_excluded(name: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns of `--exclude` fits: the whole name with its '/', or any one part of it."""
    parts = (name, *PurePath(name).parts)
    return any(fnmatch(part, pattern.rstrip("/")) for pattern in patterns for part in parts)


def foreign(head: bytes) -> str:
    """Return the name of a known format that is not opened, by a file's first bytes; '' for any other."""
    if head[4:8] == b"ftyp":
        return "a film" if head[8:12] in _FILMS else "a camera's raw file" if head[8:12] == b"crx " else ""
    return next((kind for start, kind in _FOREIGN if head.startswith(start)), "")


def passed_over(endings: Mapping[str, int]) -> str:
    """A sentence on files that are not read, counted by ending; nothing where there is none."""
    total = sum(endings.values())
    if not total:
        return ""
    ranked = Counter(endings).most_common()
    named = [f"{count} {ending or 'without an ending'}" for ending, count in ranked[:_NAMED]]
    rest = total - sum(count for _, count in ranked[:_NAMED])
    listed = ", ".join([*named, f"{rest} others"] if rest else named)
    return f"{total} {'file was' if total == 1 else 'files were'} passed over: {listed}."
