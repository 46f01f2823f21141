"""Objects of VOC's rare classes, cut out of the train splits and pasted into its pictures before features are made."""

import numpy as np
from data_sets import IGNORE, VOC, pairs
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from vocabulary import ids_in_voc

SETS = ("voc", "msrc", "coco128")
PLENTY = ("other", "cat", "cow", "dog", "horse", "person", "sheep")
LEAST = 0.01  # of a picture, for an object to be cut out
CHANCE = 0.6  # of a crop to get one
SIDES = (0.3, 0.95)  # of the longer side of an object in a crop
LARGEST = 2.5  # times the object as it was


class Objects:
    """Where the rare classes are seen."""

    def __init__(self) -> None:
        """Looks through all masks once."""
        self.found: dict[int, list[tuple[str, int]]] = {}
        self.files = {name: pairs(name, "train") for name in SETS}
        self.ids = {name: ids_in_voc(name) for name in SETS}
        for name, files in self.files.items():
            for index in range(len(files)):
                ids = self.read(name, index)
                shares = np.bincount(ids[::2, ::2].ravel(), minlength=IGNORE + 1)[: len(VOC)] / (ids.size / 4)
                for label in np.flatnonzero(shares > LEAST):
                    if VOC[label] not in PLENTY:
                        self.found.setdefault(int(label), []).append((name, index))

    def read(self, name: str, index: int) -> NDArray[np.uint8]:
        """A mask in VOC's ids, (h, w)."""
        mask = self.files[name][index][1]
        assert mask is not None
        with Image.open(mask) as image:
            ids: NDArray[np.uint8] = self.ids[name][np.asarray(image)]
        return ids

    def paste(
        self, picture: Image.Image, mask: Image.Image, rng: np.random.Generator
    ) -> tuple[Image.Image, Image.Image]:
        """Crop and mask with an object of a class drawn evenly, of any size, anywhere; some crops as they are."""
        if rng.random() > CHANCE:
            return picture, mask
        label = [*self.found][rng.integers(len(self.found))]
        name, index = self.found[label][rng.integers(len(self.found[label]))]
        shape = self.read(name, index) == label
        rows, columns = np.flatnonzero(shape.any(1)), np.flatnonzero(shape.any(0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        longer = max(box[2] - box[0], box[3] - box[1])
        scale = min(LARGEST, rng.uniform(*SIDES) * max(picture.size) / longer)
        size = (max(8, round((box[2] - box[0]) * scale)), max(8, round((box[3] - box[1]) * scale)))
        with Image.open(self.files[name][index][0]) as source:
            thing = source.convert("RGB").resize(size, Image.Resampling.BILINEAR, box=box)
        stencil = Image.fromarray(shape.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR, box=box)
        if rng.random() < 0.5:
            thing, stencil = (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in (thing, stencil))
        left, top = (rng.uniform(-0.2, 1.2) * (whole - side) for whole, side in zip(picture.size, size, strict=True))
        at = int(left), int(top)
        picture, mask = picture.copy(), mask.copy()
        picture.paste(thing, at, stencil.filter(ImageFilter.GaussianBlur(1)))
        mask.paste(label, at, stencil.point(lambda value: 255 if value > 127 else 0).convert("1"))
        return picture, mask
