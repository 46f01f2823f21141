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
from lseg_cli.data.labels import Label, LabelSet
from lseg_cli.data.mixing import seeded
from lseg_cli.data.vocabulary import SUFFIX, Vocabulary
from lseg_cli.errors import LsegError
from lseg_cli.inference.label_embedding import write_vocabulary
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import LSeg

_STREAM = 2  # keeps these random numbers apart from those of pictures and labels
_OF_WORDS = ("paraphrase", "synonyms", "noise", "negatives")  # options of `LabelConfig` that only words have


class ClassVectors(nn.Module):
    """A vector for every word, (K, C), random at first."""

    def __init__(self, words: Sequence[str], labels: LabelSet, width: int, seed: int) -> None:
        """`labels` make the vocabulary, by the word that is each one's prompt; other words serve training alone."""
        super().__init__()
        self.words = tuple(words)
        self.labels = labels
        directions = torch.randn(len(self.words), width, generator=seeded(seed, _STREAM))
        self.vectors = nn.Parameter(F.normalize(directions, dim=1))

    def forward(self, choices: Tensor) -> Tensor:
        """Rows of the identity, as `choose` gives them, (N, K) -> (N, C) of unit length."""
        return F.normalize(F.embedding(choices.argmax(dim=1), self.vectors), dim=1)

    def choose(self, words: Sequence[str]) -> NDArray[np.float32]:
        """N words -> (N, K): what the label sampler takes for their embeddings."""
        return np.eye(len(self.words), dtype=np.float32)[[self.words.index(word) for word in words]]

    @torch.no_grad()
    def embed(self, words: Sequence[str]) -> NDArray[np.float32]:
        """N words -> (N, C) of unit length, as trained so far."""
        vectors: NDArray[np.float32] = self(torch.from_numpy(self.choose(words)).to(self.vectors.device)).cpu().numpy()
        return vectors

    def vocabulary(self) -> Vocabulary:
        """The vectors as trained so far."""
        embeddings = self.embed([prompts[0] for prompts in self.labels.prompts])
        sha256 = hashlib.sha256(embeddings.tobytes()).hexdigest()
        encoder = TextConfig(kind="learned", name="class vectors", width=embeddings.shape[1], sha256=sha256)
        return Vocabulary(labels=self.labels.labels, encoder=encoder, embeddings=embeddings)


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
    (dataset,), other = datasets, config.labels.other_label
    unknown = [word for word in (validation.prompts if validation else ()) if word not in dataset.prompts]
    if unknown:
        raise LsegError(f"The validation set has the class '{unknown[0]}', for which no vector is trained.")
    words = tuple(dict.fromkeys((*dataset.prompts, other)))
    pairs = list(zip(dataset.classes, dataset.prompts, strict=True))
    if config.labels.other and other not in dataset.prompts:
        pairs.append((other, other))
    labels = LabelSet(labels=tuple(Label(name=name, prompts=(word,), id=k) for k, (name, word) in enumerate(pairs)))
    return ClassVectors(words, labels, config.model_config_of().text.width, config.seed)


def save_trained(model: LSeg, classes: ClassVectors | None, path: Path, tower_of: Path | None = None) -> None:
    """Writes a model; with learned classes its vocabulary too: `last.vocab.safetensors` beside `last.safetensors`."""
    if classes is None:
        save_model(model, path, tower_of=tower_of)
        return
    vocabulary = classes.vocabulary()
    save_model(model, path, text=vocabulary.encoder)
    write_vocabulary(vocabulary, path.with_suffix(f".vocab{SUFFIX}"))
