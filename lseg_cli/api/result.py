"""A segmented picture: mask, names, shares, and what people make of them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.api.pictures import ShownPicture
from lseg_cli.data.images import pixels_of
from lseg_cli.data.labels import IGNORE_8_BIT, LabelSet, fold
from lseg_cli.drawing.overlay import draw_overlay
from lseg_cli.drawing.palette import colors, png_palette
from lseg_cli.drawing.picture_file import encode_picture
from lseg_cli.drawing.png import write_png
from lseg_cli.errors import DataError, LsegError, MissingError
from lseg_cli.files import atomic
from lseg_cli.inference.segmentation import Segmentation
from lseg_cli.results.formats import coco_annotations, coco_categories, write_npy
from lseg_cli.results.masks import shown_confidence

if TYPE_CHECKING:
    import supervision

Ids = NDArray[np.uint8] | NDArray[np.uint16]

_PREVIEW_PX = 1024  # long side of what a notebook shows


@dataclass(frozen=True)
class Segmented:
    """What is known of a picture of H x W pixels after it was segmented.

    Attributes:
        picture: in RGB, as displayed.
        ids: (H, W), the ignore id where there is no label.
        confidence: (H, W), the probability of the label that won; 0 where the picture holds no data.
        mean_confidence: over the picture.
    """

    picture: Image.Image
    ids: Ids
    confidence: NDArray[np.float32]
    mean_confidence: float


def check_confidence(min_confidence: float) -> float:
    """Return it; raises LsegError unless it is between 0 and 1."""
    if not 0 <= min_confidence <= 1:
        raise LsegError(f"min_confidence is {min_confidence}; it must be between 0 and 1.")
    return min_confidence


def segmented(shown: ShownPicture, found: Segmentation, labels: LabelSet, min_confidence: float = 0.0) -> Segmented:
    """Return a segmentation as ids.

    Args:
        shown: the picture.
        found: with the confidence of every pixel.
        labels: that it was segmented by.
        min_confidence: pixels below it get the ignore id.
    """
    found = replace(found, valid=shown.valid)
    confidence = shown_confidence(found)
    if confidence is None:
        raise ValueError("a segmentation without confidence")
    ids: Ids = np.take(np.array(labels.ids, np.uint8 if labels.ignore_id == IGNORE_8_BIT else np.uint16), found.index)
    if min_confidence:
        ids[confidence < min_confidence] = labels.ignore_id
    if found.valid is not None:
        ids[~found.valid] = labels.ignore_id
    return Segmented(shown.image, ids, confidence, found.mean_confidence)


class Result:
    """A picture that was segmented, or, from `Model.segment_many`, one that could not be.

    Attributes:
        source: the path that the picture was read from; None: it was given as pixels.
        error: why there is no mask; None: there is one. If there is none, everything else raises this error.
    """

    def __init__(
        self, source: str | None, label_set: LabelSet, segmented: Segmented | None, error: LsegError | None = None
    ) -> None:
        """Is called by `Model` and `Embedding`."""
        self.source = source
        self.error = error
        self._labels = label_set
        self._segmented = segmented

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in order."""
        return self._labels.names

    @property
    def ids(self) -> dict[str, int]:
        """The value of each label in the mask, by name."""
        return dict(zip(self._labels.names, self._labels.ids, strict=True))

    @property
    def ignore_id(self) -> int:
        """The value of pixels without a label: 255, or 65535 in a 16-bit mask."""
        return self._labels.ignore_id

    @property
    def mask(self) -> Ids:
        """(H, W) uint8 ids at the picture's displayed size; uint16 if an id is above 254."""
        return self._there.ids

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(H, W) float32 between 0 and 1: the probability of the label that won."""
        return self._there.confidence

    @property
    def mean_confidence(self) -> float:
        """Mean probability of the winners over the network's own pixels."""
        return self._there.mean_confidence

    @cached_property
    def shares(self) -> dict[str, float]:
        """Share of the picture's pixels of each label, by name; what is missing from 1 has no label."""
        counts = np.bincount(self.mask.ravel(), minlength=self.ignore_id + 1)
        return {name: float(counts[value] / self.mask.size) for name, value in self.ids.items()}

    def overlay(self) -> Image.Image:
        """Return the picture tinted by label, above a legend of names and shares."""
        there = self._there
        return draw_overlay(pixels_of(there.picture), there.ids, self._labels, colors(self._labels))

    def cutout(self, labels: str | Sequence[str]) -> Image.Image:
        """Return the picture as RGBA, transparent wherever it is none of the labels.

        Args:
            labels: a name, or several.

        Raises:
            LsegError: a name that is not one of the result's labels.
        """
        wanted = [self._id_of(name) for name in ([labels] if isinstance(labels, str) else labels)]
        there = self._there
        picture = there.picture.copy()
        picture.putalpha(Image.fromarray(np.isin(there.ids, wanted).astype(np.uint8) * np.uint8(255)))
        return picture

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write the mask: `.png` with a palette (16-bit grey if an id is above 254), or `.npy`.

        Args:
            path: of the file.
            overwrite: replace a file that is there.

        Raises:
            LsegError: another extension, a file that is there, or a full disk.
            DataError: it cannot be written.
        """
        target = Path(path)
        kind = target.suffix.lower()
        if kind not in (".png", ".npy"):
            raise LsegError(f"The file to write is {target}; its name must end with .png or .npy.")
        if target.exists() and not overwrite:
            raise LsegError(f"{target} is there already; pass overwrite=True to replace it.")
        with atomic(target) as draft:
            if kind == ".npy":
                write_npy(draft, self.mask)
            else:
                palette = png_palette(self._labels) if self.ignore_id == IGNORE_8_BIT else None
                write_png(draft, self.mask, palette)

    def to_coco(self) -> dict[str, list[dict[str, Any]]]:
        """Return images, annotations and categories as COCO's tools read them, masks as run lengths.

        Raises:
            MissingError: pycocotools is not installed.
        """
        height, width = self.mask.shape
        image = {"id": 1, "file_name": self.source or "", "height": height, "width": width}
        annotations = [
            {"id": number, "image_id": 1, "iscrowd": 0, **annotation}
            for number, annotation in enumerate(coco_annotations(self.mask, self._labels), 1)
        ]
        return {"images": [image], "annotations": annotations, "categories": coco_categories(self._labels)}

    def to_supervision(self) -> "supervision.Detections":
        """Return a `supervision.Detections` with one mask per label in the picture.

        Raises:
            MissingError: supervision is not installed.
        """
        try:
            import supervision  # noqa: PLC0415  seconds, and an extra
        except ImportError as error:
            raise MissingError("to_supervision needs supervision: pip install supervision.") from error
        there, names = self._there, {value: name for name, value in self.ids.items()}
        present = [value for value in np.unique(there.ids).tolist() if value != self.ignore_id]
        if not present:
            return supervision.Detections.empty()
        masks = np.stack([there.ids == value for value in present])
        return supervision.Detections(
            xyxy=supervision.mask_to_xyxy(masks),
            mask=masks,
            confidence=np.array([there.confidence[mask].mean() for mask in masks], np.float32),
            class_id=np.array(present),
            data={"class_name": np.array([names[value] for value in present])},
        )

    def __repr__(self) -> str:
        """Return source, size and the largest shares."""
        name = self.source or "picture"
        if self.error is not None:
            return f"Result({name}: {self.error})"
        height, width = self.mask.shape
        largest = sorted(self.shares.items(), key=lambda pair: -pair[1])[:5]
        return f"Result({name}, {height}x{width}: {', '.join(f'{label} {share:.0%}' for label, share in largest)})"

    def _repr_png_(self) -> bytes | None:
        """The overlay, for notebooks."""
        if self._segmented is None:
            return None
        preview = self.overlay()
        preview.thumbnail((_PREVIEW_PX, _PREVIEW_PX))
        return encode_picture(preview, "PNG")

    @property
    def _there(self) -> Segmented:
        if self._segmented is None:
            raise self.error or DataError("The picture was not segmented.")
        return self._segmented

    def _id_of(self, name: str) -> int:
        for known, value in self.ids.items():
            if fold(known) == fold(name):
                return value
        raise LsegError(f"'{name}' is not one of the labels; they are {', '.join(self.labels)}.")
