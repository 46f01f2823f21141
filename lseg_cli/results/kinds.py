"""The files that the output folder may hold beside its masks. Imports nothing: the command line lists them first."""

from typing import Literal, get_args

MaskFormat = Literal[
    "png", "npy", "coco-rle", "coco-panoptic", "geojson", "labelme", "yolo", "csv"
]  # png is always written
SaveKind = Literal["overlay", "conf", "probs", "embeddings"]
EmbeddingFormat = Literal["safetensors", "npy"]
Stride = Literal[4, 2]  # of embeddings

FORMATS: tuple[MaskFormat, ...] = get_args(MaskFormat)
EXTRAS: tuple[SaveKind, ...] = get_args(SaveKind)

# Files of one picture: the folder and the extension of each kind.
FILES: dict[str, tuple[str, str]] = {
    "mask": ("masks", "png"),
    "embedding": ("embeddings", "safetensors"),
    "embedding-npy": ("embeddings", "npy"),
    "embedding-info": ("embeddings", "json"),
    "overlay": ("overlays", "jpg"),
    "conf": ("conf", "png"),
    "probs": ("probs", "npy"),
    "embeddings": ("embeddings", "safetensors"),
    "top-k": ("topk", "npz"),
    "npy": ("npy", "npy"),
    "coco-rle": ("coco-rle", "json"),
    "coco-panoptic": ("coco-panoptic", "png"),
    "coco-panoptic-segments": ("coco-panoptic", "json"),
    "geojson": ("geojson", "geojson"),
    "labelme": ("labelme", "json"),
    "yolo": ("yolo", "txt"),
}
TABLES = {"coco-rle": "coco-rle.json", "coco-panoptic": "coco-panoptic.json", "csv": "results.csv"}  # of all pictures
