"""The README's picture: twelve photographs that packages bring, none of them trained on.

    python recipes/lseg-tiny/overlays.py recipes/lseg-tiny/overlays.jpg

Photographs and labels were written down before the model that ships had segmented any of them.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import skimage.data
import skimage.io
from matplotlib.cbook import get_sample_data
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

HEIGHT_PX = 240
IN_A_ROW = 4
PHOTOGRAPHS = {
    "china": "sky,building,tree,water,other",
    "coffee": "cup,spoon,table,other",
    "chelsea": "cat,other",
    "astronaut": "person,flag,rocket,other",
    "flower": "flower,leaf,other",
    "grace_hopper": "person,flag,other",
    "rocket": "rocket,sky,tower,other",
    "camera": "person,camera,grass,sky,building",
    "motorcycle": "motorcycle,wall,floor,other",
    "grass": "grass,sand,water,sky",
    "brick": "brick wall,grass,sky,road",
    "coins": "coin,other",
}


def read(name: str) -> NDArray[np.uint8]:
    """A photograph of scikit-learn, Matplotlib or scikit-image, (h, w, 3) uint8 or grey."""
    pixels: NDArray[np.uint8]
    if name in ("china", "flower"):
        pixels = load_sample_image(f"{name}.jpg")
    elif name == "grace_hopper":
        pixels = np.array(Image.open(str(get_sample_data("grace_hopper.jpg", asfileobj=False))))
    elif name == "motorcycle":
        pixels = skimage.data.stereo_motorcycle()[0]  # type: ignore[no-untyped-call]
    else:
        pixels = getattr(skimage.data, name)()
    return pixels


def main(out: Path) -> None:
    """Segments each photograph by the command line and puts the overlays side by side."""
    tiles: list[Image.Image] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, labels in PHOTOGRAPHS.items():
            photo = Path(scratch) / f"{name}.png"
            skimage.io.imsave(photo, read(name), check_contrast=False)
            folder = Path(scratch) / name
            subprocess.run(["lseg", "segment", photo, "-l", labels, "--save", "overlay", "-o", folder], check=True)
            with Image.open(folder / "overlays" / f"{name}.jpg") as overlay:
                size = (round(overlay.width * HEIGHT_PX / overlay.height), HEIGHT_PX)
                tiles.append(overlay.resize(size, Image.Resampling.LANCZOS))
    rows = [tiles[first : first + IN_A_ROW] for first in range(0, len(tiles), IN_A_ROW)]
    width = max(sum(tile.width for tile in row) for row in rows)
    sheet = Image.new("RGB", (width, HEIGHT_PX * len(rows)), "white")
    for number, row in enumerate(rows):
        left = (width - sum(tile.width for tile in row)) // 2
        for tile in row:
            sheet.paste(tile, (left, number * HEIGHT_PX))
            left += tile.width
    sheet.save(out, quality=85)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
