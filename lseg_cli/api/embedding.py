"""A picture that was embedded: any labels later, without the image encoder."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from lseg_cli.api.labels import Labels, as_label_set
from lseg_cli.api.pictures import ShownPicture
from lseg_cli.api.result import Result, check_confidence, segmented
from lseg_cli.data.labels import LabelSet
from lseg_cli.errors import LsegError
from lseg_cli.inference import embedding as dense
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.relabel import relabel
from lseg_cli.inference.segmenter import PixelOutputs
from lseg_cli.inference.similarity import similarity


class EmbedLabels(Protocol):
    """What gives labels their vectors, (N, C)."""

    def __call__(self, labels: LabelSet, templates: Sequence[str] = ()) -> Floats:
        """Raises LsegError as `embed_label_set`."""
        ...


class Embedding:
    """A picture's dense embedding, from `Model.embed`."""

    def __init__(self, embedding: dense.Embedding, shown: ShownPicture, embed_labels: EmbedLabels) -> None:
        """Is called by `Model.embed`."""
        self._embedding = embedding
        self._shown = shown
        self._embed_labels = embed_labels

    @property
    def array(self) -> dense.Half:
        """(C, h, w) float16; at stride 2 of unit length along C. Where its cells lie stands in `info.geometry`."""
        return self._embedding.array

    @property
    def info(self) -> dense.EmbeddingInfo:
        """What travels with an embedding's file: sizes, stride, geometry, the model."""
        return self._embedding.info

    def segment(self, labels: Labels, *, templates: Sequence[str] = (), min_confidence: float = 0.0) -> Result:
        """Segment the picture by labels, in milliseconds; parameters as in `Model.segment`.

        Raises:
            LsegError: labels that cannot be used.
            MismatchError: a vocabulary of another text encoder.
        """
        check_confidence(min_confidence)
        label_set = as_label_set(labels)
        vectors = self._embed_labels(label_set, templates)
        found = relabel(self._embedding, vectors, PixelOutputs(probability=True), os.cpu_count() or 1)
        source = self.info.source or None
        return Result(source, label_set, segmented(self._shown, found, label_set, min_confidence))

    def similarity(self, text: str, *, templates: Sequence[str] = ()) -> Floats:
        """Return how near each pixel is to a text: (H, W) float32, the cosine of their vectors, between -1 and 1.

        Args:
            text: a word or a short phrase; nothing in it is parsed.
            templates: as in `Model.segment`.

        Raises:
            LsegError: text that cannot be used.
        """
        vectors = self._embed_labels(LabelSet.of([text]), templates)
        heat: Floats = similarity(self._embedding, vectors)[0]
        return heat

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write the embedding: `.safetensors`, or `.npy` with its description beside it as `.json`.

        Args:
            path: of the file.
            overwrite: replace files that are there.

        Raises:
            LsegError: another extension, a file that is there, or a full disk.
            DataError: it cannot be written.
        """
        target = Path(path)
        if target.suffix not in (".safetensors", ".npy"):
            raise LsegError(f"The file to write is {target}; its name must end with .safetensors or .npy.")
        files = [target] if target.suffix == ".safetensors" else [target, target.with_suffix(".json")]
        there = next((file for file in files if file.exists()), None)
        if there is not None and not overwrite:
            raise LsegError(f"{there} is there already; pass overwrite=True to replace it.")
        dense.write_embedding(self._embedding, target)

    def __repr__(self) -> str:
        """Return source and shape."""
        return f"Embedding({self.info.source or 'picture'}, {'x'.join(map(str, np.shape(self.array)))})"
