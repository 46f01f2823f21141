import pytest

from lseg_cli.data.frequent_words import count_of, frequent_words
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.errors import LsegError


def test_words_are_a_label_set() -> None:
    labels, notices = open_labels("words:300")
    assert labels.names == frequent_words(300)
    assert labels.ids == tuple(range(300))
    assert notices == []


def test_what_can_be_seen_comes_and_what_holds_a_sentence_together_does_not() -> None:
    words = frequent_words(8000)
    assert {"house", "tree", "sky", "water", "dog", "road", "person"} <= set(words)
    assert {"the", "and", "trees", "quickly"}.isdisjoint(words)
    assert len(set(words)) == len(words)


def test_more_words_begin_with_fewer() -> None:
    assert frequent_words(10_000)[:50] == frequent_words(50)


@pytest.mark.parametrize("text", ["words:0", "words:9999999"])
def test_a_count_that_is_not_there_is_an_error(text: str) -> None:
    with pytest.raises(LsegError, match="give a number from 1 to"):
        open_labels(text)


@pytest.mark.parametrize("text", ["words", "words:", "words:many", "words:10,sky"])
def test_other_texts_are_labels(text: str) -> None:
    assert count_of(text) is None
