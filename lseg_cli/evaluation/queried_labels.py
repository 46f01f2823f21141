"""The labels that a model is asked for: the data set's own or other words for them, and extra ones beside them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import TextConfig
from lseg_cli.data.datasets import Dataset
from lseg_cli.data.labels import Label, LabelSet, parse_labels
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.evaluation.labelling import Labelling, find_classes, read_label_map
from lseg_cli.evaluation.options import EvalOptions
from lseg_cli.evaluation.saved_masks import SavedMasks
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.model.text.cache import EmbeddingCache

Floats = NDArray[np.float32]


class QueriedLabels:
    """Labels, and how they count.

    Attributes:
        labelling: how they count.
        names: of those that stand for classes, in the order of their embeddings.
        notices: what the user should know.
    """

    def __init__(self, options: EvalOptions, dataset: Dataset, saved: SavedMasks | None = None) -> None:
        """Reads the labels of the options, or of masks that are there already.

        Raises:
            LsegError: labels, or names of classes, that do not fit the data set.
            DataError: a label map that cannot be read.
        """
        self.notices: list[str] = []
        self._templates = options.templates
        self._extra = parse_labels(options.extra_labels)[0] if options.extra_labels else None
        has_own = options.labels is None and saved is None
        if saved is not None:
            own, extra = saved.split(dataset.classes)
            self._given, self._extra = LabelSet.of(own), LabelSet.of(extra) if extra else None
        elif options.labels is not None:
            self._given, self.notices = open_labels(options.labels)
        else:
            pairs = zip(dataset.classes, dataset.prompts, strict=True)
            labels = (Label(name=name, prompts=(text,), id=number) for number, (name, text) in enumerate(pairs))
            self._given = LabelSet(labels=tuple(labels))
        self.labelling = Labelling.of(
            dataset.classes,
            dataset.ignore,
            None if has_own else self._given.names,
            self._extra.names if self._extra else (),
            options.without,
            read_label_map(Path(options.label_map), dataset.classes) if options.label_map else None,
        )
        find_classes(options.unseen, self.labelling.classes, "--unseen")
        self.names = tuple(self._given.names[position] for position in self.labelling.queried)

    def embedded(self, encoder: TextConfig) -> Floats:
        """(N, C) by a model's text encoder: the labels for classes, then the extra ones.

        Raises:
            LsegError: as `embed_label_set`.
            MismatchError: a vocabulary of another encoder.
        """
        parts = [
            embed_label_set(labels, encoder, self._templates, EmbeddingCache())
            for labels in (self._given, self._extra)
            if labels is not None
        ]
        self.notices += [notice for part in parts for notice in part.notices if notice not in self.notices]
        queried = parts[0].vectors[list(self.labelling.queried)]
        return np.concatenate([queried, *(part.vectors for part in parts[1:])])
