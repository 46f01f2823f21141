"""The text encoder's side of LSeg (section 3.1): N labels -> N unit vectors, before any picture is looked at.

A label's vector is the mean of the unit embeddings of all its prompts in all templates, scaled to length 1. An encoder
is loaded only if some text is not in the cache: with all of it there, neither torch nor open_clip is imported.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import TextConfig
from lseg_cli.contract import TOWER_SUFFIX
from lseg_cli.errors import LsegError, MismatchError
from lseg_cli.extras import require
from lseg_cli.model.text.cache import Embedding, EmbeddingCache
from lseg_cli.model.text.clip_files import architecture, encoder_key
from lseg_cli.model.text.confinement import confined
from lseg_cli.model.text.encoder_name import EncoderName

if TYPE_CHECKING:
    from lseg_cli.model.text.word_table import WordTable

# Cosines above which two labels are hardly told apart, by kind of encoder. Measured for the bundled word table: above
# 0.7 are 18 of 37 pairs of one thing (car/cars 0.91, car/automobile 0.87, couch/sofa 0.83, road/street 0.72), and of
# the 14,335 pairs within ADE20K and COCO four (stairs/stairway, door/screen door, counter/countertop, bear/teddy bear).
# CLIP's texts lie in a narrow cone, where any two things have 0.7 to 0.9.
ALIKE = {"words": 0.7, "open_clip": 0.95, "learned": 0.95}
_MOST_PAIRS = 10  # of alike labels, named in notices
_MOST_COMPARED = 20_000  # labels: seconds; every one with every other
_MOST_WORDS = 10  # unknown ones, named in notices
_BLOCK = 256  # rows of the table of cosines at a time

Floats = NDArray[np.float32]


class TextEncoder(Protocol):
    """Texts in, unit vectors out. Frozen: a text has one vector."""

    width: int  # C
    sha256: str  # of the weights
    context_length: int | None  # tokens of a text that are read; None: all

    def token_count(self, text: str) -> int:
        """Return how many tokens a text has, read or not."""
        ...

    def embed(self, texts: Sequence[str]) -> Floats:
        """N texts -> ``(N, C) float32``, rows of length 1."""
        ...


class _Words:
    """The word table as a `TextEncoder`: it reads a text of any length, word by word."""

    context_length: int | None = None

    def __init__(self, table: "WordTable") -> None:
        self._table = table
        self.width = table.width
        self.sha256 = table.sha256

    def token_count(self, text: str) -> int:
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> Floats:
        return self._table.embed(texts)


def open_encoder(config: TextConfig) -> TextEncoder:
    """Load the text encoder that a model was trained with.

    Raises:
        LsegError: open_clip knows no such encoder or weights.
        MissingError: the weights are not on this machine and cannot be fetched.
        MismatchError: the weights are another encoder's: they do not fit the architecture, or their hash is not
            `config.sha256` (where that is set); or the model has learned class vectors and no encoder.
    """
    encoder: TextEncoder
    if config.kind == "learned":
        raise MismatchError(
            "The model was trained with class vectors instead of words (--classifier learned), and knows no other "
            "labels than those: give the .vocab.safetensors that was written beside it as --labels."
        )
    if config.kind == "words":
        from lseg_cli.model.text.word_table import WordTable  # noqa: PLC0415  reads a table of some megabytes

        table_file = confined(config).pretrained
        encoder = _Words(WordTable.open(Path(table_file) if table_file else None))
    elif config.weights.endswith(TOWER_SUFFIX):
        from lseg_cli.model.text.exported_tower import ExportedTower  # noqa: PLC0415  onnxruntime

        encoder = ExportedTower.open(Path(config.weights))
    else:
        require("torch", f"The text encoder {config.name}, which lies in no file beside the model,")
        from lseg_cli.model.text.clip import ClipTextEncoder  # noqa: PLC0415  torch and open_clip: seconds

        encoder = ClipTextEncoder.open(config)
    if config.sha256 not in ("", encoder.sha256):
        raise MismatchError(
            f"The text encoder {config.name} found here has the hash {encoder.sha256[:12]}, but the model was made "
            f"with {config.sha256[:12]}; give the text encoder's weights that belong to the model."
        )
    return encoder


def encoder_sha256(config: TextConfig, cache: EmbeddingCache | None = None) -> str:
    """The hash of a text encoder's weights; loads them only if neither `config` nor the cache knows it.

    Raises:
        LsegError: as `open_encoder`.
    """
    known = config.sha256 or (cache.encoder_sha256(encoder_key(config)) if cache else "")
    return known or _open(config, cache).sha256


def named_encoder(encoder: EncoderName) -> TextConfig:
    """Return the configuration of a text encoder that is known by its name alone.

    Raises:
        LsegError: open_clip knows no such encoder.
        MissingError: it is one of the hub's, and cannot be fetched.
    """
    if encoder.name == "words":
        from lseg_cli.model.text.word_table import WordTable  # noqa: PLC0415  reads a table of some megabytes

        return TextConfig(kind="words", name=encoder.name, width=WordTable.open().width)
    width = architecture(encoder.name)["embed_dim"]
    return TextConfig(kind="open_clip", name=encoder.name, pretrained=encoder.weights, width=width)


def spelled_out(prompts: Sequence[Sequence[str]], config: TextConfig) -> list[str]:
    """A notice on words that are not in the word table, if there are any; an encoder of another kind reads all."""
    if config.kind != "words":
        return []
    from lseg_cli.model.text.word_table import WordTable  # noqa: PLC0415  reads a table of some megabytes

    table_file = confined(config).pretrained
    table = WordTable.open(Path(table_file) if table_file else None)
    words = list(dict.fromkeys(word for text in chain.from_iterable(prompts) for word in table.unknown(text)))
    if not words:
        return []
    named = ", ".join(f"'{word[:60]}'" for word in words[:_MOST_WORDS])
    more = f" and {len(words) - _MOST_WORDS} more" if len(words) > _MOST_WORDS else ""
    return [
        f"The text encoder does not know {named}{more}: it reads English words, and guesses others from their "
        "spelling, so what they find may be anything."
    ]


def embed_labels(
    prompts: Sequence[Sequence[str]], config: TextConfig, cache: EmbeddingCache | None
) -> tuple[Floats, list[str]]:
    """The vectors of N labels.

    Args:
        prompts: for each label at least one text; the first stands for the label in notices.
        config: the encoder, and the templates each prompt is put into at ``{}``.
        cache: where embeddings are kept; None for no cache. The word table is as fast as a cache and never uses one.

    Returns:
        ``(N, C) float32``, rows of length 1, and notices: text that the encoder cuts, labels that it hardly tells apart
        (`ALIKE`), a cache that cannot be written.

    Raises:
        LsegError: no label, a template without ``{}``, or as `open_encoder`.
        MismatchError: the encoder is not the model's: another hash or another width.
    """
    wrong = [template for template in config.templates if "{}" not in template]
    if wrong or not config.templates:
        raise LsegError(f"The template {(wrong or [''])[0]!r} has no place for the label; write {{}} there.")
    if not prompts:
        raise LsegError("There are no labels to embed; give at least one.")
    groups = [
        [template.replace("{}", prompt) for prompt in label for template in config.templates] for label in prompts
    ]
    known, notices = _embeddings(list(dict.fromkeys(chain.from_iterable(groups))), config, cache)
    means = np.stack([np.mean([known[text].vector for text in group], axis=0, dtype=np.float64) for group in groups])
    vectors = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    if vectors.shape[1] != config.width:
        raise MismatchError(
            f"The text encoder {config.name} gives vectors of width {vectors.shape[1]}, but the model takes "
            f"{config.width}; use the text encoder that the model was trained with."
        )
    return vectors, notices + _cut(known) + _alike([label[0] for label in prompts], vectors, ALIKE[config.kind])


def _open(config: TextConfig, cache: EmbeddingCache | None) -> TextEncoder:
    """Load an encoder and note its hash, so that the next run need not."""
    encoder = open_encoder(config)
    if cache:
        cache.remember_encoder(encoder_key(config), encoder.sha256)
    return encoder


def _embeddings(
    texts: list[str], config: TextConfig, cache: EmbeddingCache | None
) -> tuple[dict[str, Embedding], list[str]]:
    """The embeddings of all texts, from the cache as far as they are there; and a notice if it cannot be written."""
    cache = cache if config.kind == "open_clip" else None
    sha256 = config.sha256 or (cache.encoder_sha256(encoder_key(config)) if cache else "")
    known = cache.get(sha256, texts) if cache and sha256 else {}
    if len(known) == len(texts):
        return known, []
    encoder = _open(config, cache)
    if cache and encoder.sha256 != sha256:
        known = cache.get(encoder.sha256, texts)
    missing = [text for text in texts if text not in known]
    limit = encoder.context_length or 0
    new = {
        text: Embedding(vector, encoder.token_count(text), limit)
        for text, vector in zip(missing, encoder.embed(missing), strict=True)
    }
    if cache and not cache.put(encoder.sha256, new):
        return known | new, [
            f"Text embeddings cannot be kept in {cache.directory}: the text encoder is loaded in every run."
        ]
    return known | new, []


def _cut(known: dict[str, Embedding]) -> list[str]:
    return [
        f"'{text[:60]}' is cut: it has {entry.tokens} tokens and the text encoder reads {entry.context_length}."
        for text, entry in known.items()
        if 0 < entry.context_length < entry.tokens
    ]


def _alike(names: Sequence[str], vectors: Floats, limit: float) -> list[str]:
    """Notices on pairs of labels whose cosine is above a limit, ``(N, C)`` of unit length. Only as many are kept."""
    if len(names) > _MOST_COMPARED:
        return [f"{len(names):,} labels are too many to look for pairs that are nearly the same."]
    pairs: list[tuple[int, int, float]] = []
    count = 0
    for start in range(0, len(names), _BLOCK):
        cosines = np.triu(vectors[start : start + _BLOCK] @ vectors[start:].T, k=1)
        rows, columns = np.nonzero(cosines > limit)
        count += len(rows)
        pairs += [
            (start + int(row), start + int(column), float(cosines[row, column]))
            for row, column in zip(rows[:_MOST_PAIRS], columns[:_MOST_PAIRS], strict=True)
        ]
    notices = [
        f"'{names[one]}' and '{names[other]}' are nearly the same to the text encoder (cosine {cosine:.3f})."
        for one, other, cosine in pairs[:_MOST_PAIRS]
    ]
    if count > _MOST_PAIRS:
        notices.append(f"{count - _MOST_PAIRS} further pairs of labels are nearly the same to the text encoder.")
    return notices
