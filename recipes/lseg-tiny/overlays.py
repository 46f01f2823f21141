"""The README's picture: four photographs that scikit-learn and scikit-image bring, chosen before any was segmented.

python recipes/lseg-tiny/overlays.py recipes/lseg-tiny/overlays.jpg
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import skimage.data
import skimage.io
from PIL import Image
from sklearn.datasets import load_sample_image

HEIGHT_PX = 360
PHOTOGRAPHS = {
    "china": "sky,building,tree,water,other",
    "coffee": "cup,spoon,table,other",
    "chelsea": "cat,other",
    "astronaut": "person,flag,rocket,other",
}


def main(out: Path) -> None:
    """Segments each photograph by the command line and puts the overlays side by side, two in a row."""
    tiles: list[Image.Image] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, labels in PHOTOGRAPHS.items():
            photo = Path(scratch) / f"{name}.png"
            pixels = load_sample_image("china.jpg") if name == "china" else getattr(skimage.data, name)()
            skimage.io.imsave(photo, pixels)
            folder = Path(scratch) / name
            subprocess.run(["lseg", "segment", photo, "-l", labels, "--save", "overlay", "-o", folder], check=True)
            with Image.open(folder / "overlays" / f"{name}.jpg") as overlay:
                size = (round(overlay.width * HEIGHT_PX / overlay.height), HEIGHT_PX)
                tiles.append(overlay.resize(size, Image.Resampling.LANCZOS))
    rows = [tiles[:2], tiles[2:]]
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
