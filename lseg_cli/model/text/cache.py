"""Text embeddings on disk, so that the text encoder is loaded only for words it has not seen.

An entry's key is the hash of the encoder's weights and the text as embedded, template applied. Each entry is a file of
its own, written beside its place and moved there, so any number of processes may share the folder; it carries a
checksum, and one that is damaged counts as missing. If a folder cannot be written, a run takes longer but does not
fail.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lseg_cli.errors import LsegError
from lseg_cli.files import atomic

_CHECKSUM_BYTES = 32
_COUNTS = struct.Struct("<II")


class Embedding(NamedTuple):
    """The embedding of a text, and its length in tokens."""

    vector: NDArray[np.float32]  # (C,), unit length
    tokens: int  # with the marks of begin and end
    context_length: int  # tokens that the encoder reads; 0 if there is no limit


def cache_root() -> Path:
    """The folder of all caches: `LSEG_CACHE`, or the platform's usual place."""
    from platformdirs import user_cache_dir  # noqa: PLC0415  not needed by who sets LSEG_CACHE

    chosen = os.environ.get("LSEG_CACHE")
    return Path(chosen) if chosen else Path(user_cache_dir("lseg", appauthor=False))


class EmbeddingCache:
    """Embeddings of texts by encoder, and the hashes of encoders by name.

    Attributes:
        directory: where the files are; it need not exist.
    """

    def __init__(self, directory: Path | None = None) -> None:
        """Binds `directory`, or `text` below `cache_root()`."""
        self.directory = directory or cache_root() / "text"

    def get(self, encoder_sha256: str, texts: Iterable[str]) -> dict[str, Embedding]:
        """Those of the texts that are here, by text."""
        found = {}
        for text in texts:
            entry = _unpack(_key(encoder_sha256, text), _read(self._path(encoder_sha256, text)))
            if entry is not None:
                found[text] = entry
        return found

    def put(self, encoder_sha256: str, entries: dict[str, Embedding]) -> bool:
        """Keep embeddings by text. False if the folder cannot be written."""
        return all(
            _write(self._path(encoder_sha256, text), _pack(_key(encoder_sha256, text), entry))
            for text, entry in entries.items()
        )

    def encoder_sha256(self, encoder: Sequence[str]) -> str:
        """The hash of an encoder's weights by its name, its weights' name and its files' state; '' if unknown."""
        data = _read(self._encoder_path(encoder))
        try:
            known = json.loads(data)
            return str(known["sha256"]) if known["encoder"] == list(encoder) else ""
        except (ValueError, KeyError, TypeError):
            return ""

    def remember_encoder(self, encoder: Sequence[str], sha256: str) -> bool:
        """Keep the hash of an encoder's weights. False if the folder cannot be written."""
        known = json.dumps({"encoder": list(encoder), "sha256": sha256})
        return _write(self._encoder_path(encoder), known.encode())

    def _path(self, encoder_sha256: str, text: str) -> Path:
        return self.directory / encoder_sha256[:16] / f"{_key(encoder_sha256, text).hex()}.embedding"

    def _encoder_path(self, encoder: Sequence[str]) -> Path:
        name = hashlib.sha256(json.dumps(list(encoder)).encode()).hexdigest()
        return self.directory / "encoders" / f"{name}.json"


def _key(encoder_sha256: str, text: str) -> bytes:
    return hashlib.sha256(f"{encoder_sha256}\n{text}".encode()).digest()


def _pack(key: bytes, entry: Embedding) -> bytes:
    body = _COUNTS.pack(entry.tokens, entry.context_length) + entry.vector.astype("<f4").tobytes()
    return hashlib.sha256(key + body).digest() + body


def _unpack(key: bytes, data: bytes) -> Embedding | None:
    body = data[_CHECKSUM_BYTES:]
    if hashlib.sha256(key + body).digest() != data[:_CHECKSUM_BYTES]:
        return None
    tokens, context_length = _COUNTS.unpack_from(body)
    return Embedding(np.frombuffer(body, "<f4", offset=_COUNTS.size).astype(np.float32), tokens, context_length)


def _read(path: Path) -> bytes:
    """All bytes of a file; none if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write(path: Path, data: bytes) -> bool:
    """Return whether a file could be written; a reader sees the old one or the new one, never a part."""
    try:
        with atomic(path) as draft:
            draft.write_bytes(data)
    except LsegError:
        return False
    return True
