"""The labelled data of other tools in small: each function writes one picture of 8 x 12 px whose left half is a road.

All of them say the same: `road` covers columns 0 to 5, rows 2 to 7; what is left has no area.
"""

import base64
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT_PX, WIDTH_PX = 8, 12
ROAD = np.zeros((HEIGHT_PX, WIDTH_PX), bool)
ROAD[2:, :6] = True
CORNERS = [[0.0, 2.0], [5.0, 2.0], [5.0, 7.0], [0.0, 7.0]]


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (90, 90, 90)).save(path)
    return path


def png(pixels: NDArray[np.uint8], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def packed_png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def coco(root: Path) -> Path:
    picture(root / "images" / "a.png")
    annotation = {"id": 1, "image_id": 7, "category_id": 3, "iscrowd": 0, "area": 36, "bbox": [0, 2, 6, 6]}
    runs = {"size": [HEIGHT_PX, WIDTH_PX], "counts": [2, *[6, 2] * 5, 6, 48]}  # by columns
    return write(
        root / "instances_train.json",
        {
            "images": [{"id": 7, "file_name": "a.png", "height": HEIGHT_PX, "width": WIDTH_PX}],
            "annotations": [annotation | {"segmentation": runs}],
            "categories": [{"id": 3, "name": "road"}],
        },
    )


def coco_polygon(root: Path) -> Path:
    path = coco(root)
    data = json.loads(path.read_text())
    data["annotations"][0]["segmentation"] = [[0, 2, 6, 2, 6, 8, 0, 8]]
    return write(path, data)


def labelme(root: Path) -> Path:
    picture(root / "a.png")
    shape = {"label": "road", "points": CORNERS, "shape_type": "polygon"}
    size = {"imageHeight": HEIGHT_PX, "imageWidth": WIDTH_PX}
    write(root / "a.json", {"version": "5.4.1", "imagePath": "a.png", "imageData": None, "shapes": [shape], **size})
    return root


def labelme_mask(root: Path) -> Path:
    labelme(root)
    data = json.loads((root / "a.json").read_text())
    mask = base64.b64encode(packed_png(np.full((6, 6), 255, np.uint8))).decode()
    data["shapes"] = [{"label": "road", "points": [[0, 2], [5, 7]], "shape_type": "mask", "mask": mask}]
    write(root / "a.json", data)
    return root


def cvat(root: Path) -> Path:
    picture(root / "images" / "a.png")
    annotations = ElementTree.Element("annotations")
    labels = ElementTree.SubElement(
        ElementTree.SubElement(ElementTree.SubElement(annotations, "meta"), "task"), "labels"
    )
    ElementTree.SubElement(ElementTree.SubElement(labels, "label"), "name").text = "road"
    facts = {"id": "0", "name": "a.png", "width": str(WIDTH_PX), "height": str(HEIGHT_PX)}
    image = ElementTree.SubElement(annotations, "image", facts)
    points = ";".join(f"{x},{y}" for x, y in CORNERS)
    ElementTree.SubElement(image, "polygon", {"label": "road", "points": points, "z_order": "0"})
    (root / "annotations.xml").write_bytes(ElementTree.tostring(annotations))
    return root


def cvat_mask(root: Path) -> Path:
    cvat(root)
    tree = ElementTree.parse(root / "annotations.xml")
    image = tree.getroot().find("image")
    assert image is not None
    image.clear()
    image.attrib.update({"name": "a.png", "width": str(WIDTH_PX), "height": str(HEIGHT_PX)})
    box = {"left": "0", "top": "1", "width": "6", "height": "7", "rle": "6, 36"}  # an empty row, then all
    ElementTree.SubElement(image, "mask", {"label": "road", **box})
    tree.write(root / "annotations.xml")
    return root


def voc(root: Path) -> Path:
    picture(root / "JPEGImages" / "a.png")
    colours = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    colours[ROAD] = (70, 130, 180)
    png(colours, root / "SegmentationClass" / "a.png")
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:70,130,180::\n")
    return root


def roboflow(root: Path) -> Path:
    picture(root / "train" / "a_png.rf.1.png")
    png(ROAD.astype(np.uint8) * 4, root / "train" / "a_png.rf.1_mask.png")
    (root / "train" / "_classes.csv").write_text("Pixel Value, Class\n0, background\n4, road\n")
    return root


def label_studio(root: Path) -> Path:
    picture(root / "upload" / "a.png")
    points = [[100 * x / WIDTH_PX, 100 * y / HEIGHT_PX] for x, y in CORNERS]
    value = {"points": points, "polygonlabels": ["road"]}
    result = {"type": "polygonlabels", "value": value, "original_width": WIDTH_PX, "original_height": HEIGHT_PX}
    task = {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-a.png"}, "annotations": [{"result": [result]}]}
    return write(root / "project-1.json", [task])


def label_studio_brush(root: Path) -> Path:
    """Every value a run of its own: what the packed form allows, if not what its writer makes."""
    path = label_studio(root)
    rgba = np.repeat(ROAD.ravel().astype(np.uint8) * 255, 4)
    bits = f"{len(rgba):032b}" + f"{7:05b}" + f"{0:04b}" * 4 + "".join(f"1000{value:08b}" for value in rgba)
    bits += "0" * (-len(bits) % 8)
    packed = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    (task,) = json.loads(path.read_text())
    result = task["annotations"][0]["result"][0]
    result |= {"type": "brushlabels", "value": {"format": "rle", "rle": packed, "brushlabels": ["road"]}}
    return write(path, [task])


def supervisely(root: Path) -> Path:
    picture(root / "train" / "img" / "a.png")
    write(root / "meta.json", {"classes": [{"title": "road", "shape": "bitmap", "color": "#112233"}]})
    data = base64.b64encode(zlib.compress(packed_png(np.full((6, 6), 255, np.uint8)))).decode()
    found = {"classTitle": "road", "geometryType": "bitmap", "bitmap": {"data": data, "origin": [0, 2]}}
    size = {"height": HEIGHT_PX, "width": WIDTH_PX}
    write(root / "train" / "ann" / "a.png.json", {"size": size, "objects": [found]})
    return root


def yolo(root: Path) -> Path:
    picture(root / "images" / "train" / "a.png")
    flat = " ".join(f"{x / WIDTH_PX} {y / HEIGHT_PX}" for x, y in CORNERS)
    (root / "labels" / "train").mkdir(parents=True)
    (root / "labels" / "train" / "a.txt").write_text(f"0 {flat}\n")
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nnames: {0: road}\n")
    return root


def cityscapes(root: Path) -> Path:
    picture(root / "leftImg8bit" / "train" / "ulm" / "ulm_0_leftImg8bit.png")
    frame = {"imgHeight": HEIGHT_PX, "imgWidth": WIDTH_PX, "objects": [{"label": "road", "polygon": CORNERS}]}
    write(root / "gtFine" / "train" / "ulm" / "ulm_0_gtFine_polygons.json", frame)
    return root


def colours(root: Path) -> Path:
    voc(root)
    (root / "labelmap.txt").rename(root / "class_dict.csv")
    (root / "class_dict.csv").write_text("name,r,g,b\nroad,70,130,180\nvoid,0,0,0\n")
    (root / "SegmentationClass").rename(root / "masks")
    return root


def binary(root: Path) -> Path:
    picture(root / "images" / "a.png")
    png(ROAD.astype(np.uint8) * 255, root / "masks" / "road" / "a.png")
    return root


ALL: dict[str, Callable[[Path], Path]] = {
    function.__name__: function
    for function in (
        coco, coco_polygon, labelme, labelme_mask, cvat, cvat_mask, voc, roboflow, label_studio, label_studio_brush,
        supervisely, yolo, cityscapes, colours, binary,
    )
}  # fmt: skip
