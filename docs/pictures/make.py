"""Make the pictures of the pages with the tool itself, from a photograph that scikit-learn ships.

python docs/pictures/make.py
"""

from pathlib import Path

from PIL import Image  # noqa: TID253  a script
from sklearn.datasets import load_sample_image

import lseg_cli as lseg

if __name__ == "__main__":
    before = Image.fromarray(load_sample_image("china.jpg")).resize((420, 280))  # so that the legend can be read
    overlay = lseg.load().segment(before, "sky, building, tree, water, other").overlay()
    both = Image.new("RGB", (2 * before.width + 10, overlay.height), "white")
    both.paste(before, (0, 0))
    both.paste(overlay, (before.width + 10, 0))
    both.save(Path(__file__).parent / "start.jpg", quality=88)
