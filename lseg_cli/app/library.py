"""The pictures of the command line, a page of small ones at a time: made when somebody first looks at them."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageDraw

from lseg_cli.app.pictures import Chosen, shown_pixels, shown_size
from lseg_cli.data.finding import Source, find_images
from lseg_cli.data.images import open_image
from lseg_cli.errors import LsegError

PAGE = 24  # pictures at a time
_THUMBNAIL_PX = 240
_PAPER, _INK = (228, 228, 231), (82, 82, 91)


class Library:
    """Pictures that were given on the command line; no others of this machine can be chosen.

    Attributes:
        sources: in their order.
        notices: what was passed over.
    """

    def __init__(self, paths: Sequence[str], folder: Path, exclude: Sequence[str] = ()) -> None:
        """Finds them.

        Args:
            paths: as `find_images` takes them; none: the library is empty.
            folder: where small pictures are kept.
            exclude: as in `find_images`.

        Raises:
            LsegError: as `find_images`.
            DataError: there is no picture.
        """
        self.notices: list[str] = []
        self.sources: list[Source] = find_images(paths, exclude, say=self.notices.append) if paths else []
        self._folder = folder
        self._threads = min(4, os.cpu_count() or 1)

    def matching(self, text: str) -> list[int]:
        """The numbers of pictures whose names hold a text, in any case."""
        wanted = text.strip().casefold()
        return [number for number, source in enumerate(self.sources) if wanted in source.name.casefold()]

    def choose(self, number: int) -> Chosen:
        """A picture by its number.

        Raises:
            LsegError: there is no such picture.
        """
        if not 0 <= number < len(self.sources):
            raise LsegError(f"There is no picture number {number + 1}; there are {len(self.sources)}.")
        source = self.sources[number]
        return Chosen(source.path, source.name)

    def thumbnails(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """Files of small pictures with their names; a broken picture shows that it is."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(self._threads) as pool:
            files = list(pool.map(self._thumbnail, numbers))
        return [(str(file), self.sources[number].name) for file, number in zip(files, numbers, strict=True)]

    def _thumbnail(self, number: int) -> Path:
        path = self._folder / f"{number}.jpg"
        if not path.exists():
            draft = path.with_suffix(f".{os.urandom(4).hex()}")
            _small(self.choose(number)).save(draft, "JPEG", quality=80)
            draft.replace(path)
        return path


def page_count(pictures: int) -> int:
    """How many pages so many pictures fill, at least one."""
    return max(1, -(-pictures // PAGE))


def _small(chosen: Chosen) -> Image.Image:
    try:
        image = open_image(chosen.path, chosen.most_megapixels)
    except (LsegError, MemoryError):
        image = Image.new("RGB", (_THUMBNAIL_PX, _THUMBNAIL_PX * 3 // 4), _PAPER)
        ImageDraw.Draw(image).text((image.width / 2, image.height / 2), "cannot be read", _INK, anchor="mm")
        return image
    return Image.fromarray(shown_pixels(image, shown_size((image.height, image.width), _THUMBNAIL_PX)))
