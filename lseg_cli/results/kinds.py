"""The files that the output folder may hold beside its masks. Imports nothing: the command line lists them first."""

from typing import Literal, get_args

MaskFormat = Literal["png", "npy", "coco-rle", "coco-panoptic", "csv"]  # png is always written
SaveKind = Literal["overlay", "conf", "probs", "embeddings"]
EmbeddingFormat = Literal["safetensors", "npy"]
Stride = Literal[4, 2]  # of embeddings

FORMATS: tuple[MaskFormat, ...] = get_args(MaskFormat)
EXTRAS: tuple[SaveKind, ...] = get_args(SaveKind)
