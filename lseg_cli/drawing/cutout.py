"""What is left of a picture when all but some labels is cut away: RGBA, opaque inside, soft along the border.

Near the border the opacity is the share that the wanted labels have of the probability of the best two: one half where
the mask changes its label, more or less as the network is surer. Further inside a doubtful pixel is opaque, and further
outside it is gone, for holes in a person's shirt are of no use to anybody.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

_BORDER = 1 / 160  # of the diagonal: about two cells of a network's output on either side


def cut_out(
    picture: NDArray[np.uint8],
    is_inside: NDArray[np.bool_],
    best: NDArray[np.unsignedinteger],
    probability: NDArray[np.float32],
    wanted: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Cut labels out of a picture.

    Args:
        picture: (H, W, 3) RGB.
        is_inside: (H, W), where the mask has a wanted label.
        best: (K, H, W) positions of the best labels, the best first.
        probability: (K, H, W) of them.
        wanted: (N,), which labels stay.

    Returns:
        (H, W, 4) RGBA; where nothing is to be seen, all four are 0.
    """
    border_px = max(1.5, math.hypot(*is_inside.shape) * _BORDER)
    hard = is_inside.astype(np.uint8)
    distance = cv2.distanceTransform(hard, cv2.DIST_L2, 3) + cv2.distanceTransform(1 - hard, cv2.DIST_L2, 3)
    softness = np.clip(1.5 - distance / border_px, 0, 1)  # 1 in the third of the border that is nearest
    if is_inside.all() or not is_inside.any():
        softness[:] = 0
    both = probability[:2]
    ours = np.where(wanted[best[:2]], both, 0).sum(0) / np.maximum(both.sum(0), np.finfo(np.float32).tiny)
    opacity = np.rint((hard * (1 - softness) + ours * softness) * 255).astype(np.uint8)
    rgba = np.dstack([picture, opacity])
    rgba[opacity == 0] = 0
    return rgba
