"""The data sets that are known by name, one file each, and any folder that a `dataset.yaml` describes."""
