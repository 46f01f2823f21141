"""Labels meet the text encoder of a model: embedded by it, or taken from a vocabulary that it made."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import TextConfig
from lseg_cli.data.labels import LabelSet, count_empty
from lseg_cli.data.vocabulary import SUFFIX, Vocabulary, open_labels
from lseg_cli.drawing.palette import colors
from lseg_cli.errors import LsegError, MismatchError
from lseg_cli.files import atomic
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.model.text.labels import embed_labels, encoder_sha256, spelled_out


@dataclass(frozen=True)
class EmbeddedLabels:
    """Labels as an engine takes them.

    Attributes:
        vectors: (N, C) float32, rows of length 1.
        encoder: that made them, with its hash and the templates in use.
        notices: on single labels, on words that the encoder does not know, and on pairs of labels.
    """

    vectors: NDArray[np.float32]
    encoder: TextConfig
    notices: list[str]


def embed_label_set(
    labels: LabelSet, model: TextConfig, templates: tuple[str, ...] = (), cache: EmbeddingCache | None = None
) -> EmbeddedLabels:
    """The embeddings of labels for a model; from a vocabulary without any text encoder.

    Args:
        labels: any; a `Vocabulary` brings its embeddings.
        model: the model's text encoder.
        templates: instead of the model's.
        cache: of embeddings.

    Raises:
        LsegError: templates for a vocabulary, which was compiled with its own; or as `embed_labels`.
        MismatchError: another encoder made the vocabulary; or as `embed_labels`.
    """
    if isinstance(labels, Vocabulary):
        if templates and templates != labels.encoder.templates:
            raise LsegError(
                f"The vocabulary was compiled with the template {labels.encoder.templates[0]!r}, and --template names "
                "another; compile it again with that one."
            )
        _check_encoder(labels.encoder, model, cache)
        return EmbeddedLabels(labels.embeddings, labels.encoder, [])
    config = model.model_copy(update={"templates": templates or model.templates})
    vectors, notices = embed_labels(labels.prompts, config, cache)
    known = config.model_copy(update={"sha256": encoder_sha256(config, cache)})
    return EmbeddedLabels(vectors, known, spelled_out(labels.prompts, config) + notices)


def compile_vocabulary(
    labels: LabelSet, encoder: TextConfig, cache: EmbeddingCache | None = None
) -> tuple[Vocabulary, list[str]]:
    """Labels with their colours and embeddings, and notices. A vocabulary is compiled anew, from names and prompts.

    Raises:
        LsegError: as `embed_labels`.
    """
    embedded = embed_label_set(LabelSet(labels=labels.labels), encoder, cache=cache)
    coloured = tuple(
        label.model_copy(update={"color": color}) for label, color in zip(labels.labels, colors(labels), strict=True)
    )
    return Vocabulary(labels=coloured, encoder=embedded.encoder, embeddings=embedded.vectors), embedded.notices


def check_labels(text: str, encoder: TextConfig, cache: EmbeddingCache | None = None) -> tuple[LabelSet, list[str]]:
    """Labels, and all that is to be said of them before they are used with an encoder.

    Args:
        text: as `open_labels` takes it.
        encoder: of the model, with the templates to use.
        cache: of embeddings.

    Raises:
        LsegError: as `open_labels` and `embed_labels`.
        MismatchError: a vocabulary of another encoder.
    """
    labels, notices = open_labels(text)
    if isinstance(labels, Vocabulary):
        _check_encoder(labels.encoder, encoder, cache)
    empty = count_empty(text)
    if empty:
        notices.append(f"{empty} of the entries between commas {'is' if empty == 1 else 'are'} empty and passed over.")
    return labels, notices + compile_vocabulary(labels, encoder, cache)[1]


def write_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    """Writes a vocabulary's file, whole or not at all.

    Raises:
        LsegError: its name does not end with .safetensors, by which it is told from a list of labels; the disk is full.
        DataError: it cannot be written.
    """
    if path.suffix.lower() != SUFFIX:
        raise LsegError(f"The file to write is {path}; its name must end with {SUFFIX}.")
    with atomic(path) as draft:
        draft.write_bytes(vocabulary.to_bytes())


def _check_encoder(made_by: TextConfig, model: TextConfig, cache: EmbeddingCache | None) -> None:
    """Whether a model reads labels with the encoder that made a vocabulary.

    Raises:
        MismatchError: another hash or another width.
    """
    # A published CLIP under its name and tag is what it is; to hash it, it would have to be fetched and loaded.
    is_clip_of_same_name = model.kind == "open_clip" and (model.name, model.pretrained) == (
        made_by.name,
        made_by.pretrained,
    )
    fits = (model.kind, model.width) == (made_by.kind, made_by.width)
    if fits and (model.sha256 or not is_clip_of_same_name):
        fits = encoder_sha256(model, cache) == made_by.sha256
    if not fits and "learned" in (model.kind, made_by.kind):
        raise MismatchError(
            "Learned class vectors belong to the model beside which they were written: NAME.vocab.safetensors to "
            f"NAME.safetensors. The vocabulary is of {_name(made_by)}, the model of {_name(model)}."
        )
    if not fits:
        raise MismatchError(
            f"The vocabulary was made by the text encoder {_name(made_by)}, but the model reads labels with "
            f"{_name(model)}; compile it again for this model: lseg labels compile VOCABULARY -o FILE -m MODEL."
        )


def _name(encoder: TextConfig) -> str:
    facts = [f"width {encoder.width}", *([f"hash {encoder.sha256[:12]}"] if encoder.sha256 else [])]
    return f"{encoder.name} ({', '.join(facts)})"
