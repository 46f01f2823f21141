"""A few of the user's pictures, at the size at which they would enter the network."""

import numpy as np
from numpy.typing import NDArray

from lseg_cli.contract import GraphSpec
from lseg_cli.data.finding import find_images
from lseg_cli.data.images import open_image
from lseg_cli.inference.frame import Frame


def read_pictures(where: str, spec: GraphSpec, most: int) -> list[NDArray[np.uint8]]:
    """At most so many pictures, from all over a folder: (h, w, 3) uint8 each, RGB.

    Args:
        where: a folder, file, pattern or list, as `lseg segment` takes them.
        spec: of the graph that is to take them.
        most: how many.

    Raises:
        LsegError: nothing is there.
        DataError: no picture is there, or one is damaged.
    """
    sources = find_images([where])
    step = -(-len(sources) // most)
    pictures = []
    for source in sources[::step]:
        picture = open_image(source.path)
        pictures.append(Frame.of(spec, picture.height, picture.width).fill(picture))
    return pictures
