"""The files that a run writes for every picture, and the settings that they are made with."""

from dataclasses import dataclass
from typing import Any

from lseg_cli.errors import LsegError
from lseg_cli.results.formats import check_formats
from lseg_cli.results.kinds import EXTRAS, FILES, FORMATS

_MOST_BINARY = 255  # labels that get a file each


@dataclass(frozen=True)
class MaskStyle:
    """The files that are written for every picture, and their settings.

    Attributes:
        save: which of `EXTRAS`.
        formats: of the mask, which of `FORMATS`; png is always written.
        top_k: above 1: so many labels of every pixel.
        cutout: names of the labels that are cut out of the picture.
        binary: kinds of the labels' black and white masks, in their order, where these are asked for.
        has_colors: PNG masks have a palette; else they are plain grey.
        min_confidence: pixels below it get the ignore id.
        min_margin: pixels whose best two labels are nearer than this get it too.
    """

    save: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("png",)
    top_k: int = 1
    cutout: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()
    has_colors: bool = True
    min_confidence: float = 0.0
    min_margin: float = 0.0

    def check(self) -> None:
        """Check the kinds, before anything costly.

        Raises:
            LsegError: something else than `EXTRAS` in `save`, or than `FORMATS` in `formats`; nothing to cut out, or
                too many labels for a file each.
            MissingError: a format whose package is not here.
        """
        for option, kinds, known in (("--save", self.save, EXTRAS), ("--format", self.formats, FORMATS)):
            unknown = sorted(set(kinds) - set(known))
            if unknown:
                raise LsegError(f"{option} {unknown[0]} is not known; choose from {', '.join(known)}.")
        if "cutout" in self.save and not self.cutout:
            raise LsegError("--save cutout needs the labels that stay: add --cutout with some, such as person,car.")
        if len(self.binary) > _MOST_BINARY:
            raise LsegError(
                f"--format binary writes a file for each label; {len(self.binary)} labels are too many, at most "
                f"{_MOST_BINARY} can be."
            )
        check_formats(self.formats)

    @property
    def kinds(self) -> frozenset[str]:
        """The files of every picture, of `lseg_cli.results.kinds`."""
        asked = {"mask", *self.save, *self.formats}
        asked.update(kind for kind, is_asked in (("top-k", self.top_k > 1), ("cutout", self.cutout)) if is_asked)
        if "coco-panoptic" in asked:
            asked.add("coco-panoptic-segments")
        return frozenset(asked & set(FILES)) | frozenset(self.binary)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that decide the content of files, by kind; files of other settings are written again."""
        return {"top-k": self.top_k, "cutout": sorted(self.cutout)}
