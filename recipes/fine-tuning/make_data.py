"""A small data set in new words: some pictures of another, its classes put together under other names.

python recipes/fine-tuning/make_data.py $LSEG_DATA/camvid/dataset.yaml recipes/fine-tuning/words.yaml OUT 60 40
"""

import sys
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

IGNORE = 255


def main(source: Path, words: Path, out: Path, train: int, val: int) -> None:
    """Write `out`: so many pictures of each split, evenly spread, in the words of the YAML file `words`."""
    known = yaml.safe_load(source.read_text(encoding="utf-8"))
    groups: dict[str, list[str]] = yaml.safe_load(words.read_text(encoding="utf-8"))
    table = np.full(256, IGNORE, np.uint8)
    for number, classes in enumerate(groups.values()):
        table[[known["classes"].index(name) for name in classes]] = number
    for split, count in (("train", train), ("val", val)):
        folders = known["splits"][split]
        pictures = sorted((source.parent / folders["images"]).iterdir())
        for number in np.linspace(0, len(pictures) - 1, count).round().astype(int):
            picture = pictures[number]
            with Image.open(source.parent / folders["masks"] / f"{picture.stem}.png") as mask:
                ids = table[np.asarray(mask)]
            for kind in ("images", "masks"):
                (out / kind / split).mkdir(parents=True, exist_ok=True)
            (out / "images" / split / picture.name).write_bytes(picture.read_bytes())
            Image.fromarray(ids).save(out / "masks" / split / f"{picture.stem}.png")
    splits = {split: {kind: f"{kind}/{split}" for kind in ("images", "masks")} for split in ("train", "val")}
    described = {"name": out.name, "ignore": IGNORE, "splits": splits, "classes": [*groups]}
    (out / "dataset.yaml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
