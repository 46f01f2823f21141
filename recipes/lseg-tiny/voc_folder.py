"""VOC 2012 as a folder with a `dataset.yaml`, 21 classes by plain names, for `lseg eval`. Pictures and masks are links.

python recipes/lseg-tiny/voc_folder.py runs/voc
"""

import sys
from pathlib import Path

import yaml
from data_sets import IGNORE, class_names, pairs


def main(out: Path) -> None:
    """Links the pictures of `val`."""
    for kind in ("images", "masks"):
        (out / kind / "val").mkdir(parents=True, exist_ok=True)
    for picture, mask in pairs("voc", "val"):
        (out / "images/val" / picture.name).symlink_to(picture.resolve())
        if mask is not None:
            (out / "masks/val" / mask.name).symlink_to(mask.resolve())
    described = {
        "name": "voc",
        "ignore": IGNORE,
        "splits": {"val": {"images": "images/val", "masks": "masks/val"}},
        "classes": class_names("voc"),
    }
    (out / "dataset.yaml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
