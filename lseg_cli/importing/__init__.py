"""Labelled data of other tools, read and written anew as a folder with a `dataset.yaml`."""
