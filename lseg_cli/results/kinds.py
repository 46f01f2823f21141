"""Which files the output folder may hold beside its masks. Imports nothing: the command line lists them first."""

FORMATS = ("png", "npy", "coco-rle", "coco-panoptic", "csv")  # of masks; png is always written
EXTRAS = ("overlay", "conf", "probs", "embeddings")  # what `--save` knows
