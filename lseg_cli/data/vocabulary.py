"""A compiled vocabulary: labels that bring their embeddings, in one `.safetensors` file. No text encoder is needed.

The file holds `embeddings` float32 (N, C), rows of length 1, and in its metadata, as JSON, the labels (id, name,
prompts, colour) and the text encoder that made them: its name, hash, width and the templates. It fits every model that
reads labels with this encoder, and no other.
"""

import hashlib
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import ConfigDict

from lseg_cli.config import TextConfig
from lseg_cli.contract import METADATA_PREFIX
from lseg_cli.data.frequent_words import count_of, frequent_words
from lseg_cli.data.labels import LabelSet, parse_labels, single_file
from lseg_cli.errors import LsegError, MismatchError
from lseg_cli.files import read_regular
from lseg_cli.reading import parse_json, read_safetensors_header, reading

SUFFIX = ".safetensors"
VOCABULARY_KEY = METADATA_PREFIX + "vocabulary"

_TENSOR = "embeddings"
_MAX_BYTES = 600_000_000  # 65,535 labels of width 2,048
_LENGTH_SLACK = 1e-3  # of a unit vector in float32


class Vocabulary(LabelSet):
    """A label set with its embeddings, and the text encoder that made them: its `sha256` is always known."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    encoder: TextConfig
    embeddings: NDArray[np.float32]  # (N, C), unit length

    def digest(self) -> str:
        """Return the digest of the labels and of the embeddings, which decide what a mask says as well."""
        return hashlib.sha256(super().digest().encode() + self.embeddings.tobytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The file's content."""
        facts = self.model_dump_json(exclude={"embeddings"})
        return safetensors.numpy.save({_TENSOR: np.ascontiguousarray(self.embeddings)}, {VOCABULARY_KEY: facts})


def open_labels(text: str, reads_files: bool = True) -> tuple[LabelSet, list[str]]:
    """Read the text of `--labels`: a compiled vocabulary, with or without an @, `words:N`, or as `parse_labels`.

    Args:
        text: as typed.
        reads_files: as in `parse_labels`.

    Returns:
        The labels, a `Vocabulary` where they were compiled, and notices.

    Raises:
        LsegError: as `parse_labels` and `frequent_words`.
        MismatchError: a vocabulary's file is damaged, or is none.
    """
    count = count_of(text)
    if count is not None:
        return LabelSet.of(frequent_words(count)), []
    path = single_file(text) if reads_files else None
    if path is not None and path.suffix.lower() == SUFFIX:
        return read_vocabulary(path), []
    return parse_labels(text, reads_files)


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a file that `lseg labels compile` wrote.

    Raises:
        LsegError: it cannot be read.
        MismatchError: it is damaged, or no vocabulary.
    """
    try:
        data = read_regular(path.expanduser(), _MAX_BYTES)
    except (OSError, ValueError, RuntimeError) as error:  # the last: no such user in ~user
        reason = getattr(error, "strerror", None) or error
        raise LsegError(
            f"The vocabulary '{path}' cannot be read ({reason}); give the path of an existing file."
        ) from error
    with reading(path, "is damaged: it is not a whole safetensors file", advice="; compile the labels again"):
        embeddings = safetensors.numpy.load(data).get(_TENSOR)
        facts = read_safetensors_header(path.expanduser()).metadata.get(VOCABULARY_KEY)
    if facts is None or embeddings is None:
        raise MismatchError(f"{path} is not a vocabulary: `lseg labels compile` did not write it.")
    with reading(path, "is damaged, or of another version", advice="; compile the labels again"):
        try:
            vocabulary = Vocabulary.model_validate({**parse_json(facts), _TENSOR: embeddings})
        except LsegError as error:
            raise ValueError(str(error)) from error
    wanted = (len(vocabulary.labels), vocabulary.encoder.width)
    if embeddings.dtype != np.float32 or embeddings.shape != wanted or not vocabulary.encoder.sha256:
        raise MismatchError(
            f"{path} is damaged: its embeddings are {embeddings.dtype} {embeddings.shape}, and its labels need float32 "
            f"{wanted}; compile the labels again."
        )
    # Written so that what is not a number fails.
    if not (np.abs(np.linalg.norm(embeddings, axis=1) - 1) < _LENGTH_SLACK).all():
        raise MismatchError(f"{path} is damaged: an embedding is not unit length; compile the labels again.")
    return vocabulary
