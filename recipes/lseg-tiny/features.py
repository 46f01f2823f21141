"""Runs the frozen encoder over every picture once, so that training needs the decoder alone: a tenth of the time.

    python recipes/lseg-tiny/features.py crops 0 1 2 3     # four crops of each picture: place, scale, colours, blur
    python recipes/lseg-tiny/features.py val               # the val splits and coco128, whole, at 640 px
    python recipes/lseg-tiny/features.py pseudo 2 3        # where ImageNet's head sees each of imagenet1000's classes

`$LSEG_TINY_CACHE` takes 1.1 MB a crop, 4 GB for all pictures. 0.06 s a crop of one core with bfloat16 instructions.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from data_sets import (
    CACHE,
    CHANNELS,
    FOLDER_SETS,
    IGNORE,
    PICTURES,
    SIDE_PX,
    STRIDES,
    VAL_PX,
    VALIDATED,
    encoder,
    pairs,
)
from data_sets import whole_network as imagenet_network
from numpy.typing import NDArray
from paste import Objects
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor, nn
from torch.nn import functional as F

ORDER = ("camvid", "coco128", "msrc", "voc", "clothing", "pantry")  # seeds the crops
LONG_SIDES_PX = {"camvid": (480, 960), "coco128": (416, 1200)}  # of the whole picture, where the crop has SIDE_PX
LONG_SIDES_ELSEWHERE_PX = (416, 800)
GREY = 0.12  # share of the crops without colour
PASTED_FROM = 5  # variants of VOC from this one on get objects of its rare classes
LEAST, SHARE_OF_BEST = 0.15, 0.35  # probability of a class, from which a place counts as it


def corners(count: int, size: int) -> NDArray[np.int64]:
    """Where `count` points with aligned corners, as the decoder's upsampling has them, lie among `size` pixels."""
    return np.round(np.arange(count) * (size - 1) / (count - 1)).astype(np.int64)


def run(network: nn.Module, picture: Image.Image) -> list[Tensor]:
    """The four maps of one picture, (1, C, h, w) bfloat16, channels last."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float()
    pixels = ((pixels / 255 - 0.5) / 0.5).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        maps: list[Tensor] = network(pixels)
    return [level.to(torch.bfloat16).contiguous(memory_format=torch.channels_last) for level in maps]


def crop(
    picture: Image.Image, mask: Image.Image, name: str, variant: int, index: int, objects: Objects | None = None
) -> tuple[Image.Image, Image.Image]:
    """One crop of SIDE_PX; variant 0 is the middle as it is, odd ones are mirrored."""
    rng = np.random.default_rng([variant, index, ORDER.index(name) if name in ORDER else 9])
    width, height = picture.size
    low, high = LONG_SIDES_PX.get(name, LONG_SIDES_ELSEWHERE_PX)
    long_side = 480 if variant == 0 else np.exp(rng.uniform(np.log(low), np.log(high)))
    side, aspect = SIDE_PX * max(width, height) / long_side, np.exp(rng.uniform(-0.12, 0.12))
    across, down = min(width, side * aspect), min(height, side / aspect)
    place = (0.5, 0.5) if variant == 0 else rng.uniform(0, 1, 2)
    left, top = place[0] * (width - across), place[1] * (height - down)
    box = (left, top, left + across, top + down)
    size = (SIDE_PX, SIDE_PX)
    picture = picture.resize(size, Image.Resampling.BILINEAR, box=box)
    mask = mask.resize(size, Image.Resampling.NEAREST, box=box)
    if objects:
        picture, mask = objects.paste(picture, mask, np.random.default_rng([variant, index]))
    if variant % 2:
        picture, mask = (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in (picture, mask))
    if variant:
        for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            picture = kind(picture).enhance(float(np.exp(rng.uniform(-0.3, 0.3))))
        if rng.random() < 0.2:
            picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
        if rng.random() < GREY:
            picture = picture.convert("L").convert("RGB")
    return picture, mask


def make_crops(variant: int) -> None:
    """Features and masks of one crop of every picture of training."""
    network = encoder().to(memory_format=torch.channels_last)
    for name in (*FOLDER_SETS, "voc", PICTURES):
        done = CACHE / f"{name}.{variant}.done"
        if done.exists():
            continue
        files = pairs(name, "train")
        objects = Objects() if name == "voc" and variant >= PASTED_FROM else None
        shapes = [(len(files), SIDE_PX // s, SIDE_PX // s, c) for s, c in zip(STRIDES, CHANNELS, strict=True)]
        maps = [new_map(f"{name}.{variant}.s{s}", shape, np.int16) for s, shape in zip(STRIDES, shapes, strict=True)]
        half = corners(SIDE_PX // 2, SIDE_PX)
        masks = new_map(f"{name}.{variant}.mask", (len(files), len(half), len(half)), np.uint8)
        for index, (path, mask_path) in enumerate(files):
            picture = Image.open(path).convert("RGB")
            mask = Image.open(mask_path) if mask_path else Image.new("L", picture.size, IGNORE)
            picture, mask = crop(picture, mask, name, variant, index, objects)
            for level, values in zip(maps, run(network, picture), strict=True):
                level[index] = values[0].permute(1, 2, 0).contiguous().view(torch.int16).numpy()
            masks[index] = np.asarray(mask)[np.ix_(half, half)]
        for array in (*maps, masks):
            array.flush()
        if name != PICTURES:
            done.touch()
        print(f"{name}, crop {variant}: {len(files)} pictures", flush=True)


def new_map(
    name: str, shape: tuple[int, ...], dtype: type[np.generic]
) -> "np.memmap[tuple[int, ...], np.dtype[np.generic]]":
    """An array on disk, bfloat16 as int16."""
    return np.lib.format.open_memmap(CACHE / f"{name}.npy", "w+", dtype, shape)


def make_val() -> None:
    """Features of the val splits and their masks at half the size; of coco128, which has none, all for its folds."""
    network = encoder().to(memory_format=torch.channels_last)
    for name in (*VALIDATED, "coco128"):
        found = []
        for path, mask_path in pairs(name, "val" if name in VALIDATED else "train"):
            picture = Image.open(path).convert("RGB")
            mask = np.array(Image.open(mask_path)) if mask_path else np.empty(0)
            scale = VAL_PX / max(picture.size)
            width, height = (max(1, round(side * scale / 32)) * 32 for side in picture.size)
            maps = run(network, picture.resize((width, height), Image.Resampling.BILINEAR))
            at = np.ix_(corners(height // 2, mask.shape[0]), corners(width // 2, mask.shape[1]))
            found.append((maps, torch.from_numpy(mask[at].copy())))
        torch.save(found, CACHE / f"val{VAL_PX}.{name}.pt")
        print(f"{name} to judge with: {len(found)} pictures", flush=True)


@torch.inference_mode()
def make_pseudo_labels(variant: int) -> None:
    """Masks of `imagenet1000`: 0 where ImageNet's own head sees the class that the picture is of, ignored elsewhere."""
    network = imagenet_network()
    maps = np.load(CACHE / f"{PICTURES}.{variant}.s32.npy", mmap_mode="r")
    masks = np.load(CACHE / f"{PICTURES}.{variant}.mask.npy", mmap_mode="r+")
    weight, bias = network.classifier.weight[:, :, None, None], network.classifier.bias  # type: ignore[index, union-attr]
    covered = 0.0
    for index in range(len(maps)):  # pictures and classes have one order
        level = torch.from_numpy(np.array(maps[index])).view(torch.bfloat16).float().permute(2, 0, 1)[None]
        hidden = network.bn2(network.conv_head(level))  # type: ignore[operator]
        chance = F.conv2d(hidden, weight, bias).softmax(1)[:, index : index + 1]  # type: ignore[arg-type]
        dense = F.interpolate(chance, masks.shape[1:], mode="bilinear", align_corners=True)[0, 0]
        seen = dense > max(LEAST, SHARE_OF_BEST * float(chance.max()))
        masks[index] = np.where(seen.numpy(), 0, IGNORE)
        covered += float(seen.float().mean()) / len(maps)
    masks.flush()
    (CACHE / f"{PICTURES}.{variant}.done").touch()
    print(f"{PICTURES}, crop {variant}: {covered:.2f} of the pixels have a label", flush=True)


def main(what: str, variants: list[int]) -> None:
    """Does what the command line asks for."""
    torch.set_num_threads(1)
    Path(CACHE).mkdir(parents=True, exist_ok=True)
    if what == "val":
        make_val()
    for variant in variants:
        (make_pseudo_labels if what == "pseudo" else make_crops)(variant)


if __name__ == "__main__":
    main(sys.argv[1], [int(text) for text in sys.argv[2:]])
