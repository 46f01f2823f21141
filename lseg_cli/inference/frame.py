"""Where a picture lies in the network's input.

A graph of any size takes the picture as it is, up to the next multiple of 32. One of a fixed size gets it in its upper
left corner, as large as it fits; the rest has the mean colour of training, which is zero to the network as the border
of every convolution is, and is cut off the answer again. Share of pixels with the label that the graph of any size
gives them (lseg-tiny, 448x448, 16 photographs of four data sets, 11 labels): 0.945; with the picture's mirror image
around it 0.936, its outermost pixels 0.908; squashed to the size 0.850.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.contract import GraphSpec
from lseg_cli.data.images import resized

Size = int | tuple[int, int] | None


@dataclass(frozen=True)
class Frame:
    """The network's input for a picture.

    Attributes:
        picture_px: height and width of the picture in it.
        input_px: height and width of all of it.
        mean: colour of what the picture does not fill, from 0 to 1.
    """

    picture_px: tuple[int, int]
    input_px: tuple[int, int]
    mean: tuple[float, float, float]

    @classmethod
    def of(cls, spec: GraphSpec, height_px: int, width_px: int, size: Size = None) -> "Frame":
        """The frame of a picture.

        Args:
            spec: of the engine.
            height_px: of the picture.
            width_px: of the picture.
            size: long side in the input, or height and width, to which the picture is squashed; None: the model's.
        """
        if isinstance(size, tuple):
            return cls(size, size, spec.model.image.mean)
        inner = spec.input_size(height_px, width_px, size or spec.model.image.long_side_px)
        return cls(inner, (spec.height_px or inner[0], spec.width_px or inner[1]), spec.model.image.mean)

    def fill(self, picture: Image.Image) -> NDArray[np.uint8]:
        """The picture in it: RGB -> (H, W, 3) uint8."""
        image = resized(picture, *self.picture_px)
        below, right = (whole - part for whole, part in zip(self.input_px, self.picture_px, strict=True))
        if not below and not right:
            return image
        mean = [round(255 * channel) for channel in self.mean]
        return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=mean), np.uint8)

    def crop(self, maps: NDArray[Any], stride: int) -> NDArray[Any]:
        """What the network says of the picture: the last two axes are the input's at a stride."""
        rows, columns = (side // stride for side in self.picture_px)
        return maps[..., :rows, :columns]
