"""CLIP's byte-pair tokenizer without open_clip: what an exported text tower is given to read.

The text is cleaned and cut into words with the packages that open_clip uses for it (ftfy and regex), so that the two
agree on every character; the pairs are merged by the package tokenizers.
"""

import html
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import Frozen
from lseg_cli.errors import LsegError

if TYPE_CHECKING:
    from tokenizers.models import BPE

_WORD_END = "</w>"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class TokenizerData(Frozen):
    """All that a tokenizer is made of; travels inside the file of an exported text tower.

    Attributes:
        merges: pairs of pieces, the most frequent first, a pair a line.
        specials: the marks of the begin and the end of a text, then others.
        clean: 'lower', 'whitespace' or 'canonicalize': what is done to a text first, as open_clip calls it.
        context_length: tokens that the tower reads.
    """

    merges: str
    specials: tuple[str, ...]
    clean: str
    context_length: int

    @classmethod
    def of(cls, tokenizer: Any, context_length: int) -> "TokenizerData":
        """Those of a tokenizer of open_clip.

        Raises:
            LsegError: it is of another kind than CLIP's.
        """
        name = getattr(getattr(tokenizer, "clean_fn", None), "__name__", "")
        if not hasattr(tokenizer, "bpe_ranks") or tokenizer.reduction_fn is not None or not name.startswith("_clean_"):
            raise LsegError(
                "The text encoder's tokenizer is not CLIP's and cannot be exported; give --no-text-encoder, and "
                "compile labels with lseg labels compile."
            )
        merges = "\n".join(" ".join(pair) for pair in sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.get))
        specials = tuple(tokenizer.decoder[index] for index in tokenizer.all_special_ids)
        return cls(merges=merges, specials=specials, clean=name[len("_clean_") :], context_length=context_length)


class ClipTokenizer:
    """Texts -> what a text tower reads."""

    def __init__(self, data: TokenizerData) -> None:
        """`data` as the tower's file has them."""
        import regex  # noqa: PLC0415  only who has words that were never embedded

        self._data = data
        letters = _letters()
        names = list(letters.values())
        merges = [(first, second) for first, second in (line.split(" ") for line in data.merges.split("\n"))]
        pieces = [*names, *(name + _WORD_END for name in names), *(first + second for first, second in merges)]
        vocabulary = {piece: index for index, piece in enumerate([*pieces, *data.specials])}
        self._letters = letters
        self._bpe = _make_bpe(vocabulary, merges)
        self._specials = {name: vocabulary[name] for name in data.specials}
        self._begin, self._end = (vocabulary[name] for name in data.specials[:2])
        self._words = regex.compile("|".join(data.specials) + "|" + _WORDS, regex.IGNORECASE)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, however many, without the marks of begin and end."""
        tokens: list[int] = []
        for word in self._words.findall(clean(text, self._data.clean)):
            if word in self._specials:
                tokens.append(self._specials[word])
            else:
                spelled = "".join(self._letters[byte] for byte in word.encode())
                tokens += [token.id for token in self._bpe.tokenize(spelled)]
        return tokens

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """N texts -> (N, context length), filled up with zeros; one that is too long is cut."""
        length = self._data.context_length
        rows = np.zeros((len(texts), length), np.int64)
        for row, text in zip(rows, texts, strict=True):
            tokens = [self._begin, *self.encode(text), self._end]
            row[: len(tokens)] = tokens if len(tokens) <= length else [*tokens[: length - 1], self._end]
        return rows


def clean(text: str, kind: str) -> str:
    """A text without broken encodings, HTML and runs of blanks; 'lower' and 'canonicalize' in lower case."""
    import ftfy  # noqa: PLC0415  only who has words that were never embedded

    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    if kind == "canonicalize":
        text = text.replace("_", " ").translate(_NO_PUNCTUATION).lower()
    text = " ".join(text.split())
    return text.lower() if kind == "lower" else text


def _make_bpe(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> "BPE":
    from tokenizers.models import BPE  # noqa: PLC0415  only who has words that were never embedded

    return BPE(vocab=vocabulary, merges=merges, end_of_word_suffix=_WORD_END)


def _letters() -> dict[int, str]:
    """A printable letter for every byte, in the order of the vocabulary: bytes that print, then the others."""
    printing = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printing]
    return {byte: chr(byte) for byte in printing} | {byte: chr(256 + index) for index, byte in enumerate(others)}
