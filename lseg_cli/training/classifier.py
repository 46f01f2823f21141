"""The closed-set baseline (`classifier: learned`): trained class vectors in the place of text embeddings.

What does language cost? Everything else stays as it is: unit length, loss, regulariser, label sampling. The vectors are
written as a compiled vocabulary beside the model. They are its text encoder, so their hash is the encoder's hash in
both files: a vocabulary fits the model it was trained with, and no other, be it the same run after another epoch.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lseg_cli.config import TextConfig, TrainConfig
from lseg_cli.data.datasets import Dataset
from lseg_cli.data.labels import LabelSet
from lseg_cli.data.mixing import seeded
from lseg_cli.data.vocabulary import SUFFIX, Vocabulary
from lseg_cli.errors import LsegError
from lseg_cli.inference.label_embedding import write_vocabulary
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import LSeg
from lseg_cli.training.labels import OTHER

_STREAM = 2  # keeps these random numbers apart from those of pictures and labels
_OF_WORDS = ("paraphrase", "synonyms", "noise", "negatives")  # options of `LabelConfig` that only words have


class ClassVectors(nn.Module):
    """A vector for every name, (K, C), random at first."""

    def __init__(self, names: Sequence[str], shown: int, width: int, seed: int) -> None:
        """The first `shown` of the names make the vocabulary; the rest serves training alone."""
        super().__init__()
        self.names = tuple(names)
        self.shown = shown
        directions = torch.randn(len(self.names), width, generator=seeded(seed, _STREAM))
        self.vectors = nn.Parameter(F.normalize(directions, dim=1))

    def forward(self, choices: Tensor) -> Tensor:
        """Rows of the identity, as `choose` gives them, (N, K) -> (N, C) of unit length."""
        return F.normalize(F.embedding(choices.argmax(dim=1), self.vectors), dim=1)

    def choose(self, names: Sequence[str]) -> NDArray[np.float32]:
        """N names -> (N, K): what the label sampler takes for their embeddings."""
        return np.eye(len(self.names), dtype=np.float32)[[self.names.index(name) for name in names]]

    @torch.no_grad()
    def embed(self, names: Sequence[str]) -> NDArray[np.float32]:
        """N names -> (N, C) of unit length, as trained so far."""
        vectors: NDArray[np.float32] = self(torch.from_numpy(self.choose(names)).to(self.vectors.device)).cpu().numpy()
        return vectors

    def vocabulary(self) -> Vocabulary:
        """The vectors as trained so far."""
        names = self.names[: self.shown]
        embeddings = self.embed(names)
        sha256 = hashlib.sha256(embeddings.tobytes()).hexdigest()
        encoder = TextConfig(kind="learned", name="class vectors", width=embeddings.shape[1], sha256=sha256)
        return Vocabulary(labels=LabelSet.of(names).labels, encoder=encoder, embeddings=embeddings)


def learned_classes(config: TrainConfig, datasets: Sequence[Dataset], validation: Dataset | None) -> ClassVectors:
    """The class vectors of a run, as it starts.

    Raises:
        LsegError: the recipe asks for what only words can give; the validation set has a class that is not trained.
    """
    if len(datasets) != 1:
        raise LsegError(f"A learned classifier has the classes of one data set, and the recipe names {len(datasets)}.")
    asked = [name for name in _OF_WORDS if getattr(config.labels, name)]
    if asked:
        raise LsegError(f"A learned classifier has vectors and no words: leave out labels.{asked[0]}.")
    if config.data[0].unseen:
        raise LsegError("A learned classifier knows nothing of a class that it does not see: leave out `unseen`.")
    classes = datasets[0].classes
    unknown = [name for name in (validation.classes if validation else ()) if name not in classes]
    if unknown:
        raise LsegError(f"The validation set has the class '{unknown[0]}', for which no vector is trained.")
    names = tuple(dict.fromkeys((*classes, OTHER)))
    shown = len(names) if config.labels.other or OTHER in classes else len(names) - 1
    return ClassVectors(names, shown, config.model_config_of().text.width, config.seed)


def save_trained(model: LSeg, classes: ClassVectors | None, path: Path) -> None:
    """Writes a model; with learned classes its vocabulary too: `last.vocab.safetensors` beside `last.safetensors`."""
    if classes is None:
        save_model(model, path)
        return
    vocabulary = classes.vocabulary()
    model.config = model.config.model_copy(update={"text": vocabulary.encoder})
    save_model(model, path)
    write_vocabulary(vocabulary, path.with_suffix(f".vocab{SUFFIX}"))
