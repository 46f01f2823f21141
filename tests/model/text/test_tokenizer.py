"""CLIP's tokenizer without open_clip: the tokens are open_clip's, whatever the text."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lseg_cli.errors import LsegError
from lseg_cli.model.text.tokenizer import ClipTokenizer, TokenizerData

PHRASES = Path(__file__).parents[3] / "recipes" / "lseg-tiny" / "phrases.txt"
RANGES = ((0x20, 0x7F), (0xA0, 0x250), (0x20, 0x3000), (0x3000, 0xD800), (0xE000, 0x20000))
PARTS = (
    *(" ", "\n", "\t", "\u2003", "\x1c", "\x85", "'s", "'LL", "&amp;", "&lt;", "&amp;lt;", "<start_of_text>"),
    *("<END_OF_TEXT>", "é", "Ã©", "ﬁ", "\u212a", "\u017f", "İ", "ß", "12", "½", "😀", "a" * 30, "\u200d", "_"),
)


def texts() -> list[str]:
    """10,000 of all kinds: words, every script, broken encodings, HTML, marks, blanks, numbers, too long, empty."""
    chosen = random.Random(0)

    def part() -> str:
        if chosen.random() < 0.3:
            return chosen.choice(PARTS)
        return chr(chosen.randrange(*chosen.choice(RANGES)))

    made = ["".join(part() for _ in range(chosen.randrange(40))) for _ in range(9000)]
    phrases = [line for line in PHRASES.read_text(encoding="utf-8").splitlines() if line][:1990]
    return ["", " ", "a photo of " * 60, "!!!<start_of_text>", *made, *phrases][:10_000]


@pytest.fixture(scope="module")
def theirs() -> Any:
    import open_clip  # noqa: PLC0415  seconds

    return open_clip.SimpleTokenizer(context_length=77)


def test_ten_thousand_texts_have_open_clips_tokens(theirs: Any) -> None:
    ours = ClipTokenizer(TokenizerData.of(theirs, 77))
    found = texts()
    assert len(found) == 10_000
    wrong = [text for text in found if ours.encode(text) != theirs.encode(text)]
    assert wrong == []
    assert np.array_equal(ours.tokenize(found), theirs(found).numpy())


@pytest.mark.parametrize("clean", ["canonicalize", "whitespace"])
def test_other_ways_to_clean(clean: str) -> None:
    import open_clip  # noqa: PLC0415  seconds

    theirs = open_clip.SimpleTokenizer(context_length=16, clean=clean)
    ours = ClipTokenizer(TokenizerData.of(theirs, 16))
    for text in ("Traffic_Light, red!", " A  photo of\ta {} ", "don't", "&amp;amp; Ã©"):
        assert ours.encode(text) == theirs.encode(text)


def test_a_tokenizer_of_another_kind_is_told(theirs: Any) -> None:
    with pytest.raises(LsegError, match="is not CLIP's and cannot be exported; give --no-text-encoder"):
        TokenizerData.of(object(), 77)
