"""Training pictures: scaled, padded, cropped, mirrored, jittered (section 4 of the paper), from one seed each."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from lseg_cli.config import AugmentConfig
from lseg_cli.data.masks import Ids

PADDING = -1  # in a training mask: no picture here. Not the data set's ignore id, whose pixels may be taught as 'other'


class TrainTransform:
    """Picture and mask -> a square crop of each."""

    def __init__(self, config: AugmentConfig) -> None:
        """Sizes, scales and strengths come from the recipe."""
        self.config = config
        size = (config.crop_px, config.crop_px)
        self.geometry = v2.Compose([v2.RandomCrop(size), v2.RandomHorizontalFlip(config.mirror)])
        strength = config.jitter
        self.colour = v2.ColorJitter(strength, strength, strength) if strength else v2.Identity()

    def __call__(self, image: NDArray[np.uint8], mask: Ids, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(H, W, 3) uint8, (H, W) ids -> (3, crop, crop) uint8, (crop, crop) int16 with PADDING outside.

        torchvision draws from torch's global generator only: it is seeded from `generator` inside and put back.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            picture = tv_tensors.Image(torch.from_numpy(image.copy()).permute(2, 0, 1))
            ids = tv_tensors.Mask(torch.from_numpy(mask.copy()))
            picture, ids = self._scale(picture, ids)
            picture, ids = self.geometry(*self._pad(picture, ids))
            return torch.Tensor.contiguous(self.colour(picture).as_subclass(Tensor)), ids.as_subclass(Tensor)

    def _scale(self, picture: tv_tensors.Image, ids: tv_tensors.Mask) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        low, high = self.config.scale
        long_side = self.config.base_px * float(torch.empty(()).uniform_(low, high))
        height, width = picture.shape[-2:]
        size = [max(1, round(side * long_side / max(height, width))) for side in (height, width)]
        return F.resize(picture, size, antialias=True), tv_tensors.Mask(F.resize(ids, size).to(torch.int16))

    def _pad(self, picture: tv_tensors.Image, ids: tv_tensors.Mask) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        height, width = picture.shape[-2:]
        right, bottom = max(0, self.config.crop_px - width), max(0, self.config.crop_px - height)
        if not right and not bottom:
            return picture, ids
        padding = [0, 0, right, bottom]
        return F.pad(picture, padding, fill=0), F.pad(ids, padding, fill=PADDING)
