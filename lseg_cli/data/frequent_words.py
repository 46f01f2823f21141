"""`words:N` as a label set, for those who do not know what to ask: the N most frequent words of the bundled word table.

The table does not say which words are nouns. Those come first whose plural it has as well, in the singular: most are
nouns, verbs such as 'need' (needs) come along. All others follow, again the most frequent ones first.
"""

import re
from functools import cache

import numpy as np
import safetensors.numpy

from lseg_cli.errors import LsegError, MissingError
from lseg_cli.weights import WEIGHTS_DIR

_SPEC = re.compile(r"words:(\d{1,9})", re.IGNORECASE)
_FUNCTION_WORD = 0.5  # a word's weight in a phrase, by its frequency; about a hundred words such as 'the' have less
_LETTERS = re.compile(r"[a-z]{3,}")


def count_of(text: str) -> int | None:
    """Return how many words a label text asks for, as in ``words:10000``; None if it has another form."""
    match = _SPEC.fullmatch(text.strip())
    return int(match[1]) if match else None


def frequent_words(count: int) -> tuple[str, ...]:
    """The most frequent words, those with a plural first, without those that only hold a sentence together.

    Raises:
        LsegError: none, or more than the table has.
        MissingError: the table is not here.
    """
    words = _all_words()
    if not 1 <= count <= len(words):
        raise LsegError(f"words:{count} cannot be used; give a number from 1 to {len(words)}.")
    return words[:count]


@cache
def _all_words() -> tuple[str, ...]:
    path = WEIGHTS_DIR / "words.safetensors"
    try:
        tensors = safetensors.numpy.load_file(path)
    except OSError as error:
        raise MissingError(f"Cannot read the word table {path} ({error.strerror}); reinstall lseg-cli.") from error
    entries = tensors["entries"].tobytes().decode().split("\n")
    is_word = tensors["entry_weights"].astype(np.float32) > _FUNCTION_WORD
    known = frozenset(entries)
    words = [word for word, good in zip(entries, is_word, strict=True) if good and _LETTERS.fullmatch(word)]
    return tuple(sorted(words, key=lambda word: _is_plural(word, known) or known.isdisjoint(_plurals(word))))


def _plurals(word: str) -> tuple[str, ...]:
    if word.endswith("y") and word[-2] not in "aeiou":
        return (word[:-1] + "ies",)
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return (word + "es",)
    return (word + "s",)


def _is_plural(word: str, known: frozenset[str]) -> bool:
    return word.endswith("s") and not word.endswith("ss") and word[:-1] in known
