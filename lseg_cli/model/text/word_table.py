"""A text encoder that is a table of words, so that the bundled model takes any label with no download.

LSeg (section 3.1) takes any text encoder that maps N labels to N vectors. This one was distilled from a sentence model
by ``recipes/lseg-tiny/make_word_table.py``: a row for each frequent word and common phrase, and a vector for each piece
of spelling from which every other word is put together. Frequent words of a phrase weigh less, as in SIF (Arora et al.,
ICLR 2017).
"""

import hashlib
import mmap
import os
import re
import struct
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lseg_cli.errors import LsegError, MismatchError, MissingError
from lseg_cli.files import open_regular
from lseg_cli.reading import parse_json, reading
from lseg_cli.weights import WEIGHTS_DIR

BUNDLED = WEIGHTS_DIR / "words.safetensors"
FORMAT = "lseg-words-1"
WORD_END = "</w>"  # as in CLIP's byte-pair vocabulary: a piece that ends a word is not the same piece inside one
_MAX_BYTES = 500_000_000
LONGEST_PIECE = 24  # letters; CLIP's vocabulary has none longer

_ASCII_MARKS = str.maketrans("\u2018\u2019\u02bc\u2010\u2011\u2012\u2013", "'''----")
_NO_WORD = re.compile(r"[^\w'-]|_")
_PARTS = re.compile(r"[^\W\d_]+|\d+")
_DTYPES: dict[str, type[np.generic]] = {
    "entries": np.uint8,
    "entry_rows": np.int8,
    "entry_weights": np.float16,
    "pieces": np.uint8,
    "piece_rows": np.int8,
    "piece_scales": np.float16,
}

_NAMES: dict[type[np.generic], str] = {np.uint8: "U8", np.int8: "I8", np.float16: "F16"}  # in a safetensors file
_MAX_HEADER = 1_000_000  # bytes

Floats = npt.NDArray[np.float32]


def normalise(text: str) -> str:
    """Bring a text to the form of the entries: lower case, no accents, only inner hyphens and apostrophes."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    spaced = _NO_WORD.sub(" ", unicodedata.normalize("NFC", plain.casefold()).translate(_ASCII_MARKS))
    return " ".join(word for word in (word.strip("'-") for word in spaced.split()) if word)


def spell(word: str, pieces: Mapping[str, int]) -> list[int]:
    """Cut a word into pieces from the left, the longest first; empty if some letter is in no piece."""
    found: list[int] = []
    start = 0
    while start < len(word):
        for end in range(min(len(word), start + LONGEST_PIECE), start, -1):
            piece = pieces.get(word[start:end] + (WORD_END if end == len(word) else ""))
            if piece is not None:
                found.append(piece)
                start = end
                break
        else:
            return []
    return found


def other_numbers(word: str) -> Iterator[str]:
    """Yield the forms under which a word may be in the table if it is not there itself: singular, then plural."""
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("ves"):
        yield word[:-3] + "f"
        yield word[:-3] + "fe"
    if word.endswith(("ches", "shes", "xes", "sses", "zes", "oes")):
        yield word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1]
    yield word + "s"


class WordTable:
    """Text encoder that looks words up in a table distilled from a sentence model.

    V counts the entries (words and phrases), C is the width of an embedding.

    Attributes:
        width: C.
        sha256: Hash of the table's file, part of the key of whatever is kept of its embeddings.
        words: The V entries, in the order of `vectors`.
    """

    def __init__(self, tensors: Mapping[str, npt.NDArray[np.generic]], sha256: str) -> None:
        """Take the tensors of a table's file; `open` is the usual way in."""
        self.sha256 = sha256
        self.words = tensors["entries"].tobytes().decode().split("\n")
        self._piece_texts = tensors["pieces"]
        self._rows = tensors["entry_rows"]
        self._weights = tensors["entry_weights"].astype(np.float32)
        self._piece_rows = tensors["piece_rows"]
        self._piece_scales = tensors["piece_scales"].astype(np.float32)
        self.width = int(self._rows.shape[1])
        self._index = dict(zip(self.words, range(len(self.words)), strict=True))
        self._longest_phrase = _longest(tensors["entries"])

    @classmethod
    def open(cls, path: Path | None = None) -> "WordTable":
        """Read a table.

        Args:
            path: A file written by ``make_word_table.py``; the bundled one if None.

        Raises:
            MissingError: There is no such file.
            MismatchError: The file is damaged or no word table.
        """
        path = path or BUNDLED
        try:
            with open_regular(path, _MAX_BYTES) as file:
                state = os.fstat(file.fileno())
                return cls._of_state(path, state.st_size, state.st_mtime_ns, state.st_ino)
        except OSError as error:
            raise MissingError(f"Cannot read the word table {path} ({error.strerror}); reinstall lseg-cli.") from error

    @classmethod
    @lru_cache(1)
    def _of_state(cls, path: Path, *state: int) -> "WordTable":
        """The table of a file in a state: a run asks for it several times."""
        with reading(path, f"is damaged or no word table of format {FORMAT}", advice="; reinstall lseg-cli"):
            with open_regular(path, _MAX_BYTES) as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # goes with the last view of it
            tensors = _read_tensors(memoryview(data))
        if tensors is None:
            raise MismatchError(f"{path} is damaged or no word table of format {FORMAT}; reinstall lseg-cli.")
        return cls(tensors, hashlib.sha256(data).hexdigest())

    @cached_property
    def _pieces(self) -> dict[str, int]:
        """Pieces of spelling, by row; read when a word is not in the table."""
        pieces = self._piece_texts.tobytes().decode().split("\n")
        return dict(zip(pieces, range(len(pieces)), strict=True))

    @cached_property
    def vectors(self) -> Floats:
        """All entries, ``(V, C) float32``, rows of length 1; decoded on first use: `embed` does without."""
        rows = self._rows.astype(np.float32)
        rows /= np.sqrt(np.sum(rows * rows, axis=1, keepdims=True))
        return rows

    def embed(self, texts: Sequence[str]) -> Floats:
        """Embed texts, each on its own, so that a text's vector never depends on its neighbours.

        Args:
            texts: N labels or phrases.

        Returns:
            ``(N, C) float32``, rows of length 1, in the order of `texts`.

        Raises:
            LsegError: Nothing of some text is known.
        """
        out = np.empty((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            out[row] = self._embed_text(text)
        return out

    def nearest(self, vector: npt.ArrayLike, count: int) -> list[tuple[str, float]]:
        """Find the entries nearest to a vector ``(C,)``: at most `count` pairs of entry and cosine, nearest first."""
        query = np.asarray(vector, np.float32)
        if query.shape != (self.width,):
            raise LsegError(f"Cannot look up a vector of shape {query.shape}: the word table holds ({self.width},).")
        cosines = self.vectors @ _unit(query)
        best = np.argsort(-cosines, kind="stable")[: max(count, 0)]
        return [(self.words[row], float(cosines[row])) for row in best]

    def unknown(self, text: str) -> list[str]:
        """List the words of a text that are not an entry: spelled from pieces, or passed over if in another script."""
        return [word for word, row in self._look_up(text) if row is None]

    def _look_up(self, text: str) -> Iterator[tuple[str, int | None]]:
        """Cut a text into entries, the longest first, each with its row, or None for a word that is not an entry."""
        words = self._split(text)
        start = 0
        while start < len(words):
            for count in range(min(self._longest_phrase, len(words) - start), 0, -1):
                phrase = " ".join(words[start : start + count])
                row = self._row(phrase)
                if row is not None or count == 1:
                    yield phrase, row
                    start += count
                    break

    def _split(self, text: str) -> list[str]:
        """Split a text into words; one with a hyphen, apostrophe or digit falls apart unless it is an entry."""
        words: list[str] = []
        for word in normalise(text).split():
            bare = word.removesuffix("'s")
            words += [word] if word in self._index else _PARTS.findall(bare)
        return words

    def _row(self, phrase: str) -> int | None:
        if phrase in self._index:
            return self._index[phrase]
        return next((self._index[form] for form in other_numbers(phrase) if form in self._index), None)

    def _embed_text(self, text: str) -> Floats:
        total = np.zeros(self.width, np.float32)
        for word, row in self._look_up(text):
            if row is None:
                total += self._from_pieces(word)
            else:
                total += self._weights[row] * _unit(self._rows[row].astype(np.float32))
        if not total.any():
            raise LsegError(
                f"The label {text!r} holds no word that the bundled text encoder knows: it takes English words; "
                "other words need a model with a CLIP text tower (--model)."
            )
        return _unit(total)

    def _from_pieces(self, word: str) -> Floats:
        """Put a word's vector together from its pieces, ``(C,)`` of length 1; zeros if it cannot be spelled."""
        spelled = spell(word, self._pieces)
        rows = self._piece_rows[spelled].astype(np.float32) * self._piece_scales[spelled, None]
        return _unit(rows.sum(axis=0, dtype=np.float32))


def _unit(vector: Floats) -> Floats:
    """Scale a vector ``(C,)`` to length 1; zeros stay zeros."""
    length = np.sqrt(np.sum(vector * vector))
    return vector / length if length > 0 else vector


def _longest(entries: npt.NDArray[np.generic]) -> int:
    """The most words of an entry, of text with an entry a line."""
    spaces = np.cumsum(entries == ord(" "), dtype=np.int32)
    ends = np.append(np.flatnonzero(entries == ord("\n")), len(entries) - 1)
    return int(np.diff(spaces[ends], prepend=0).max()) + 1


def _read_tensors(data: memoryview) -> dict[str, npt.NDArray[np.generic]] | None:
    """The tensors of a table's file where they lie; None if they are others. Raises what struct, JSON and numpy do."""
    (length,) = struct.unpack("<Q", data[:8])
    header = parse_json(bytes(data[8 : 8 + min(length, _MAX_HEADER)]))
    if header["__metadata__"]["format"] != FORMAT or any(
        header[name]["dtype"] != _NAMES[dtype] for name, dtype in _DTYPES.items()
    ):
        return None
    tensors = dict[str, npt.NDArray[np.generic]]()
    for name, dtype in _DTYPES.items():
        shape, (start, end) = header[name]["shape"], header[name]["data_offsets"]
        part = data[8 + length :][start:end]
        tensors[name] = np.frombuffer(part, dtype).reshape(shape)
    return tensors if _fit_together(tensors) else None


def _fit_together(tensors: Mapping[str, npt.NDArray[np.generic]]) -> bool:
    """Tell whether there is a row and a number for each string, and one width for all."""
    entries, pieces = (1 + tensors[name].tobytes().count(b"\n") for name in ("entries", "pieces"))
    width = tensors["entry_rows"].shape[-1]
    shapes = {
        "entry_rows": (entries, width),
        "entry_weights": (entries,),
        "piece_rows": (pieces, width),
        "piece_scales": (pieces,),
    }
    return all(tensors[name].shape == shape for name, shape in shapes.items())
