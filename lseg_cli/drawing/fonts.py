"""Fonts for names in any script: Pillow's own, the system's, or the one that LSEG_FONT names.

The font that Pillow brings knows ASCII alone, and a font of all scripts weighs tens of megabytes, so none is shipped:
a name that no font here has is drawn as its number, and `notice` says so.
"""

import os
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

from PIL import ImageFont

from lseg_cli.errors import LsegError

VARIABLE = "LSEG_FONT"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_PILLOWS = ""  # its own font has no file
_SYSTEM = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "FreeSans.ttf", "arial.ttf", "segoeui.ttf",
    "NotoSansCJK-Regular.ttc", "NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf", "NotoSansSymbols2-Regular.ttf", "unifont.ttf",
    "unifont.otf", "wqy-microhei.ttc", "msyh.ttc", "msgothic.ttc", "malgun.ttf", "Nirmala.ttf", "leelawui.ttf",
    "PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "Arial Unicode.ttf",
)  # fmt: skip
_PROBE_PX = 16
_MISSING = "\U0010ffff"  # no font has it: what is drawn for it is drawn for every letter that a font lacks
_UNSEEN = ("Z", "Cf", "Cc", "Mn", "Me")  # categories that draw nothing by themselves
_NAMED = 3  # names that the notice says


def drawn(name: str, number: str, size_px: int) -> tuple[str, Font]:
    """Return what is drawn for a name, and the font.

    Args:
        name: in any script.
        number: stands for the letters that no font has, such as 'id 3'.
        size_px: of the font.
    """
    font = _font_of(name)
    if font is not None:
        return name, _opened(font, size_px)
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    return (f"{plain} ({number})" if plain else number), _opened(_PILLOWS, size_px)


def notice(names: Sequence[str]) -> str:
    """Return a sentence on names that no font here has; '' where there are none.

    Raises:
        LsegError: LSEG_FONT names what is no font.
    """
    own = os.environ.get(VARIABLE, "")
    if own and not _exists(own):
        raise LsegError(f"{VARIABLE} names {own}, which is not a font; give a .ttf, .otf or .ttc file.")
    lacking = [name for name in names if _font_of(name) is None]
    if not lacking:
        return ""
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    return (
        f"No font here has the letters of {', '.join(map(repr, lacking[:_NAMED]))}{more}: legends show ids instead, "
        f"and labels.json has the names; install a font of that script, or name its file in {VARIABLE}."
    )


def _font_of(name: str) -> str | None:
    """The first font that has all letters of a name."""
    letters = {letter for letter in name if not unicodedata.category(letter).startswith(_UNSEEN)}
    own = os.environ.get(VARIABLE, "")
    fonts = (_PILLOWS, *([own] if own and _exists(own) else []), *_SYSTEM)
    return next((font for font in fonts if all(_has(font, letter) for letter in letters)), None)


@cache
def _exists(font: str) -> bool:
    """Pillow looks through the system's folders for a name, so it is asked once."""
    try:
        _opened(font, _PROBE_PX)
    except OSError:
        return False
    return True


@lru_cache(maxsize=65_536)
def _has(font: str, letter: str) -> bool:
    if not _exists(font):
        return False
    probe = _opened(font, _PROBE_PX)
    return bytes(probe.getmask(letter)) != bytes(probe.getmask(_MISSING))


@lru_cache(maxsize=64)
def _place(font: str) -> str:
    """The file of a font's name."""
    return str(ImageFont.truetype(font, _PROBE_PX).path)


def _opened(font: str, size_px: int) -> Font:
    return ImageFont.truetype(_place(font), size_px) if font else ImageFont.load_default(size_px)
