"""Data sets as they lie on disk, of a few small pictures each: true folders, file names and encodings.

Every function writes one under `root`, at least two pictures for each of training and validation, and returns `root`.
`MAKERS` has them by the names that `DataRef.path` takes.
"""

import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.labels import parse_labels

WIDTH_PX, HEIGHT_PX = 64, 48
VISTAS = (
    "Bird", "Ground Animal", "Curb", "Fence", "Guard Rail", "Barrier", "Wall", "Bike Lane", "Crosswalk - Plain",
    "Curb Cut", "Parking", "Pedestrian Area", "Rail Track", "Road", "Service Lane", "Sidewalk", "Bridge", "Building",
    "Tunnel", "Person", "Bicyclist", "Motorcyclist", "Other Rider", "Lane Marking - Crosswalk",
    "Lane Marking - General", "Mountain", "Sand", "Sky", "Snow", "Terrain", "Vegetation", "Water", "Banner", "Bench",
    "Bike Rack", "Billboard", "Catch Basin", "CCTV Camera", "Fire Hydrant", "Junction Box", "Mailbox", "Manhole",
    "Phone Booth", "Pothole", "Street Light", "Pole", "Traffic Sign Frame", "Utility Pole", "Traffic Light",
    "Traffic Sign (Back)", "Traffic Sign (Front)", "Trash Can", "Bicycle", "Boat", "Bus", "Car", "Caravan",
    "Motorcycle", "On Rails", "Other Vehicle", "Trailer", "Truck", "Wheeled Slow", "Car Mount", "Ego Vehicle",
    "Unlabeled",
)  # fmt: skip
PANOPTIC = {  # some of COCO's 133 categories under their own numbers
    1: "person", 3: "car", 8: "truck", 112: "door-stuff", 149: "road", 171: "wall-brick", 181: "window-other",
    184: "tree-merged", 187: "sky-other-merged", 190: "floor-other-merged",
}  # fmt: skip


def scene(seed: int, values: Sequence[int], border: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture (48, 64, 3) and what its pixels are: a cell for each value, of its own colour; perhaps a border."""
    random = np.random.default_rng(seed)
    rows = 1 + (len(values) > 3)
    columns = -(-len(values) // rows)
    cells = np.resize(np.array(values, np.uint8), (rows, columns))
    raw = cells.repeat(HEIGHT_PX // rows, 0).repeat(-(-WIDTH_PX // columns), 1)[:, :WIDTH_PX].copy()
    colours = np.random.default_rng(7).integers(20, 220, (256, 3), np.uint8)
    picture = colours[raw] + random.integers(0, 16, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    if border is not None:
        raw[:, :3] = border
    return picture, raw


def save(path: Path, pixels: NDArray[np.uint8], has_palette: bool = False) -> None:
    """Writes a picture or a mask; a palette is of colours that no conversion to grey turns back into ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if has_palette:
        image = Image.frombytes("P", (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
        image.putpalette([channel for k in range(256) for channel in (255 - k, 37 * k % 256, 11 * k % 256)])
    image.save(path)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_ade20k(root: Path) -> Path:
    """Grey masks of 0 (nothing) and 1 to 150."""
    base = root / "ADEChallengeData2016"
    names = [line.split("=")[0] for line in parse_labels("ade20k")[0].names]
    lines = [f"{k}\t0.0100\t100\t10\t1\t{name}, another {name}" for k, name in enumerate(names, 1)]
    _write(base / "objectInfo150.txt", "Idx\tRatio\tTrain\tVal\tStuff\tName\n" + "\n".join(lines) + "\n")
    for split, short in (("training", "train"), ("validation", "val")):
        for index in range(1, 4):
            picture, raw = scene(index, (3, 7, 13, 150, 137), border=0)
            name = f"ADE_{short}_{index:08d}"
            save(base / "images" / split / f"{name}.jpg", picture)
            save(base / "annotations" / split / f"{name}.png", raw)
    return root


def make_pascal(root: Path) -> Path:
    """Palette masks of 0 to 20 with a border of 255, VOC's own lists, and those of PASCAL-5i under `splits`."""
    base, number = root / "VOC2012", 33
    listed: dict[str, list[str]] = {"train": [], "val": []}
    for split, kind in (("train", "trn"), ("val", "val")):
        for fold in range(4):
            lines = []
            for index in range(3):
                name, number = f"2007_{number:06d}", number + 1
                classes = (5 * fold + index + 1, 5 * ((fold + 1) % 4) + 2)  # one of the fold, one of another
                picture, raw = scene(number, (0, classes[0], classes[1]), border=255)
                save(base / "JPEGImages" / f"{name}.jpg", picture)
                save(base / "SegmentationClassAug" / f"{name}.png", raw, has_palette=True)
                listed[split].append(name)
                lines.append(f"{name}__{classes[0]:02d}\n")
            _write(root / "splits" / "pascal" / kind / f"fold{fold}.txt", "".join(lines))
        _write(base / "ImageSets" / "Segmentation" / f"{split}.txt", "".join(f"{name}\n" for name in listed[split]))
    return root


def make_coco20i(root: Path) -> Path:
    """Grey masks of 0 (nothing) and 1 to 80, ten classes a picture; HSNet's pickles under `splits`."""
    base = root / "COCO2014"
    for split, kind in (("train2014", "trn"), ("val2014", "val")):
        classwise: dict[int, list[str]] = {number: [] for number in range(80)}
        for index in range(16):
            first = index % 8 * 10
            picture, raw = scene(index, [0, *range(first + 1, first + 11)])
            name = f"{split}/COCO_{split}_{index:012d}"
            save(base / f"{name}.jpg", picture)
            save(base / "annotations" / f"{name}.png", raw)
            for number in range(first, first + 10):
                classwise[number].append(f"{name}.jpg")
        for fold in range(4):
            held_out = range(fold, 80, 4)
            of_fold = {k: names for k, names in classwise.items() if (k in held_out) == (kind == "val")}
            path = root / "splits" / "coco" / kind / f"fold{fold}.pkl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pickle.dumps(of_fold))
    return root


def make_fss1000(root: Path) -> Path:
    """Masks in black and white as colours, ten pictures a class; lists under `splits` name two classes a split."""
    listed = {"trn": ("acorn", "ac_wall"), "val": ("abacus", "ab_wheel"), "test": ("accordion", "abe's_flyingfish")}
    for split, names in listed.items():
        _write(root / "splits" / "fss" / f"{split}.txt", "".join(f"{name}\n" for name in names))
    for number, name in enumerate(name for names in listed.values() for name in names):
        for index in range(1, 11):
            picture, raw = scene(index, (0, number + 1))
            grey = np.where(raw > 0, 250, 4).astype(np.uint8)  # not quite white: the masks were once JPEG
            save(root / "FSS-1000" / name / f"{index}.jpg", picture)
            save(root / "FSS-1000" / name / f"{index}.png", np.stack([grey] * 3, -1))
    return root


def make_cityscapes(root: Path, has_train_ids: bool = False) -> Path:
    """Grey masks of ids 0 to 33, some of which are no class; or of training ids with 255."""
    for split, city in (("train", "aachen"), ("val", "lindau")):
        for index in range(3):
            name = f"{city}_{index:06d}_000019"
            picture, raw = scene(index, (23, 7, 26, 0, 9, 33), border=3)
            save(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", picture)
            save(root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", raw)
            if has_train_ids:
                train = np.full_like(raw, 255)
                for label_id, train_id in {23: 10, 7: 0, 26: 13, 33: 18}.items():
                    train[raw == label_id] = train_id
                save(root / "gtFine" / split / city / f"{name}_gtFine_labelTrainIds.png", train)
    return root


def make_bdd100k(root: Path, is_new: bool = False) -> Path:
    """Grey masks of training ids with 255, in the older or the newer folders."""
    base = root / "bdd100k"
    for split in ("train", "val"):
        for index in range(3):
            name = f"{index:08x}-{split:0>8}"
            picture, raw = scene(index, (10, 0, 13, 2), border=255)
            images = base / "images" / "10k" if is_new else base / "seg" / "images"
            masks = base / "labels" / "sem_seg" / "masks" if is_new else base / "seg" / "labels"
            save(images / split / f"{name}.jpg", picture)
            save(masks / split / f"{name}{'' if is_new else '_train_id'}.png", raw)
    return root


def make_coco_panoptic(root: Path) -> Path:
    """Masks whose colours are the numbers of segments, some above 65535; two segments of a picture share a category."""
    shown = [187, 149, 3, 1, 3, 190]
    for split in ("train2017", "val2017"):
        images, annotations = [], []
        for index in range(1, 4):
            name = f"{index:012d}"
            picture, raw = scene(index, range(1, 7), border=0)
            numbers = np.array([0, 5, 300, 70000 + index, 256, 65536, 2_000_000])
            segment = numbers[raw]
            colours = np.stack([segment % 256, segment // 256 % 256, segment // 65536], -1).astype(np.uint8)
            save(root / "images" / split / f"{name}.jpg", picture)
            save(root / "annotations" / f"panoptic_{split}" / f"{name}.png", colours)
            images.append({"id": index, "file_name": f"{name}.jpg", "width": WIDTH_PX, "height": HEIGHT_PX})
            segments = [
                {"id": int(number), "category_id": category, "iscrowd": 0, "area": 1, "bbox": [0, 0, 1, 1]}
                for number, category in zip(numbers[1:], shown, strict=True)
            ]
            annotations.append({"image_id": index, "file_name": f"{name}.png", "segments_info": segments})
        categories = [
            {"id": k, "name": name, "isthing": int(k < 90), "supercategory": "x"} for k, name in PANOPTIC.items()
        ]
        content = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
        _write(root / "annotations" / f"panoptic_{split}.json", json.dumps(content))
    return root


def make_idd(root: Path) -> Path:
    """Polygons: sky, a road over it, cars over the road; what is deleted, and what no polygon covers."""
    for split in ("train", "val"):
        for index in range(3):
            name = f"{index:06d}"
            picture, _ = scene(index, (33, 7, 26))
            objects = [
                ("sky", (0, 0, 60, 30), 0),
                ("road", (0, 20, 60, 47), 0),
                ("car", (10 + index, 15, 20 + index, 25), 0),
                ("cargroup", (30, 15, 40, 25), 0),
                ("bus", (0, 0, 63, 47), 1),
                ("ego vehicle", (20, 40, 40, 47), 0),
            ]
            frame = {
                "imgHeight": HEIGHT_PX,
                "imgWidth": WIDTH_PX,
                "objects": [
                    {
                        "date": "", "deleted": deleted, "draw": True, "id": number, "label": label, "user": "",
                        "verified": 0, "polygon": [[left, top], [right, top], [right, bottom], [left, bottom]],
                    }
                    for number, (label, (left, top, right, bottom), deleted) in enumerate(objects)
                ],
            }  # fmt: skip
            save(root / "leftImg8bit" / split / "0" / f"{name}_leftImg8bit.png", picture)
            _write(root / "gtFine" / split / "0" / f"{name}_gtFine_polygons.json", json.dumps(frame))
    return root


def make_mapillary(root: Path, version: str = "") -> Path:
    """Palette masks of places in the list of labels, the last of which is `Unlabeled`; of 1.2 alone, or a version."""
    labels = [
        {"name": f"x--{k}", "readable": name, "evaluate": name != "Unlabeled", "color": [k, k, k], "instances": False}
        for k, name in enumerate(VISTAS)
    ]
    _write(
        root / (f"config_{version}.json" if version else "config.json"),
        json.dumps({"folder_structure": "", "labels": labels, "mapping": "public", "version": 1.1}),
    )
    for split in ("training", "validation"):
        for index in range(3):
            name = f"{index}AbC_dEfGhIjKlMnOpQrS{split[0]}"
            picture, raw = scene(index, (27, 13, 55, 23, 63), border=65)
            save(root / split / "images" / f"{name}.jpg", picture)
            save(root / split / version / "labels" / f"{name}.png", raw, has_palette=True)
    return root


def make_sunrgbd(root: Path) -> Path:
    """Grey masks of 0 (nothing) and 1 to 37."""
    for split in ("train", "test"):
        for index in range(1, 4):
            picture, raw = scene(index, (1, 2, 5, 37), border=0)
            save(root / "image" / split / f"img-{index:06d}.jpg", picture)
            save(root / "label37" / split / f"img-{index:06d}.png", raw)
    return root


MAKERS: dict[str, Callable[[Path], Path]] = {
    "ade20k": make_ade20k,
    "ade20k-official": make_ade20k,
    "pascal": make_pascal,
    "pascal5i": make_pascal,
    "coco20i": make_coco20i,
    "fss1000": make_fss1000,
    "cityscapes": make_cityscapes,
    "bdd100k": make_bdd100k,
    "coco-panoptic": make_coco_panoptic,
    "idd": make_idd,
    "mapillary": make_mapillary,
    "mapillary-v2": lambda root: make_mapillary(root, "v2.0"),
    "sunrgbd": make_sunrgbd,
}
FOLDED = ("pascal5i", "coco20i")  # these need a fold
