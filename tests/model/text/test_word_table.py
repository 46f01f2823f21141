import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from lseg_cli.errors import LsegError, MismatchError, MissingError
from lseg_cli.model.text.word_table import BUNDLED, WordTable, normalise, other_numbers, spell

SYNONYMS = (
    ("couch", "sofa"),
    ("cup", "mug"),
    ("rug", "carpet"),
    ("fridge", "refrigerator"),
    ("baby", "infant"),
    ("boat", "ship"),
    ("garbage", "trash"),
    ("taxi", "cab"),
    ("airplane", "plane"),
    ("kitten", "cat"),
    ("puppy", "dog"),
    ("trousers", "pants"),
    ("faucet", "tap"),
    ("curtains", "drapes"),
    ("wardrobe", "closet"),
    ("sea", "ocean"),
    ("suitcase", "luggage"),
    ("trash can", "garbage bin"),
    ("television", "tv"),
    ("quilt", "blanket"),
    ("street lamp", "lamp post"),
    ("fire truck", "fire engine"),
)


@pytest.fixture(scope="module")
def table() -> WordTable:
    return WordTable.open()


def cosine(table: WordTable, first: str, second: str) -> float:
    a, b = table.embed([first, second])
    return float(a @ b)


@pytest.mark.parametrize("pair", SYNONYMS, ids="/".join)
def test_synonyms_are_nearer_than_unrelated_words(table: WordTable, pair: tuple[str, str]) -> None:
    others = [word for other in SYNONYMS if other != pair for word in other]
    # A bin of trash and a lamp at the street are related to the words beside them, not unrelated.
    unrelated = [word for word in others if not set(word.split()) & set(" ".join(pair).split())]
    first, second = table.embed(pair)
    assert first @ second > 0.3
    assert first @ second > np.quantile(table.embed(unrelated) @ first, 0.97)


def test_unrelated_words_are_near_zero(table: WordTable) -> None:
    rows = table.embed([first for first, _ in SYNONYMS])
    assert abs(float((rows @ rows.T)[~np.eye(len(rows), dtype=bool)].mean())) < 0.1


@pytest.mark.parametrize(
    "word", ["bollard", "excavator", "wheelbarrow", "traffic light", "chest of drawers", "T-shirt"]
)
def test_things_of_label_sets_are_entries(table: WordTable, word: str) -> None:
    assert table.unknown(word) == []
    nearest, similarity = table.nearest(table.embed([word])[0], 1)[0]
    assert nearest == word.lower().replace("-", " ")
    assert similarity == pytest.approx(1, abs=1e-5)


def test_a_phrase_is_pooled_from_the_longest_entries(table: WordTable) -> None:
    phrase = table.embed(["red traffic light"])[0]
    red, signal = table.embed(["red", "traffic light"])
    # Both parts are rare enough to weigh nearly the same, so that the phrase lies between them.
    middle = (red + signal) / np.linalg.norm(red + signal)
    assert phrase @ middle > 0.98


def test_frequent_words_weigh_little(table: WordTable) -> None:
    assert cosine(table, "the sky", "sky") > 0.99
    assert cosine(table, "a piece of furniture", "furniture piece") > 0.99


def test_a_word_outside_the_table_is_spelled_from_pieces(table: WordTable) -> None:
    word = "solarpanels"
    assert table.unknown(word) == [word]
    first, second = table.embed([word]), WordTable.open().embed([word])
    assert np.array_equal(first, second)
    assert float(np.linalg.norm(first)) == pytest.approx(1, abs=1e-6)
    assert cosine(table, word, "solar panel") > cosine(table, word, "banana") + 0.3


def test_the_longest_piece_is_taken_first_and_an_ending_is_a_piece_of_its_own() -> None:
    pieces = {"b": 0, "bo": 1, "l": 2, "ard": 3, "ard</w>": 4}
    assert spell("bollard", pieces) == [1, 2, 2, 4]
    assert spell("ardbo", pieces) == []


def test_words_that_are_no_entry_are_named(table: WordTable) -> None:
    assert table.unknown("red Zorblax 7 天空") == ["zorblax", "7", "天空"]


@pytest.mark.parametrize(("plural", "singular"), [("zebra crossings", "zebra crossing"), ("pelmets", "pelmet")])
def test_a_plural_that_is_no_entry_is_its_singular(table: WordTable, plural: str, singular: str) -> None:
    assert plural not in table.words
    assert cosine(table, plural, singular) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("plural", "singular"), [("berries", "berry"), ("shelves", "shelf"), ("benches", "bench"), ("axes", "axe")]
)
def test_plural_endings(plural: str, singular: str) -> None:
    assert singular in other_numbers(plural)


@pytest.mark.parametrize(
    "text", ["Traffic Light", "traffic_light", " traffic-light!", '"traffic  light"', "TRAFFIC\tLIGHT", "tráffic light"]
)
def test_case_and_punctuation_change_nothing(table: WordTable, text: str) -> None:
    assert np.array_equal(table.embed([text]), table.embed(["traffic light"]))


def test_inner_apostrophes_and_hyphens_stay() -> None:
    assert normalise(" 'Don\u2019t\u2014STOP' ") == "don't stop"
    assert normalise("half-open -gate-") == "half-open gate"


@pytest.mark.parametrize("text", ["天空", "🙂", "", "  ", "?!", "12"])
def test_a_text_of_which_nothing_is_known_is_refused(table: WordTable, text: str) -> None:
    with pytest.raises(LsegError, match="knows") as caught:
        table.embed(["sky", text])
    assert repr(text) in str(caught.value)
    assert "CLIP" in str(caught.value)


def test_a_text_is_embedded_the_same_whatever_stands_beside_it(table: WordTable) -> None:
    texts = ["sky", "red brick wall", "zorblax", "tree", "a very long label of many words indeed"]
    together = table.embed(texts)
    for number, text in enumerate(texts):
        assert np.array_equal(together[number], table.embed([text])[0])
    assert np.array_equal(together[::-1], table.embed(texts[::-1]))


def test_no_texts_give_no_rows(table: WordTable) -> None:
    assert table.embed([]).shape == (0, table.width)


def test_vectors_are_unit_rows_in_the_order_of_words(table: WordTable) -> None:
    assert table.vectors.shape == (len(table.words), table.width)
    assert table.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(table.vectors, axis=1), 1, atol=1e-5)
    assert len(set(table.words)) == len(table.words)
    chosen = [table.words.index(word) for word in ("sky", "fire hydrant")]
    assert np.allclose(table.vectors[chosen], table.embed(["sky", "fire hydrant"]), atol=1e-6)


def test_nearest_is_sorted_and_takes_any_length(table: WordTable) -> None:
    sky = table.embed(["sky"])[0]
    found = table.nearest(7 * sky, 5)
    assert found[0][0] == "sky"
    assert [similarity for _, similarity in found] == sorted((s for _, s in found), reverse=True)
    assert len(found) == 5
    assert table.nearest(sky, 0) == []
    with pytest.raises(LsegError, match=r"\(3,\)"):
        table.nearest([1.0, 2.0, 3.0], 1)


def test_the_hash_is_that_of_the_file(table: WordTable) -> None:
    assert table.sha256 == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()


def test_the_bundled_file_stays_small() -> None:
    assert BUNDLED.stat().st_size <= 15_000_000


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_a_unit_row_or_a_clear_refusal(table: WordTable, text: str) -> None:
    try:
        row = table.embed([text])[0]
    except LsegError:
        return
    assert row.dtype == np.float32
    assert float(np.linalg.norm(row)) == pytest.approx(1, abs=1e-5)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=40))
def test_every_word_of_plain_letters_can_be_embedded(table: WordTable, word: str) -> None:
    assert table.embed([word]).shape == (1, table.width)


def without_rows(data: bytes) -> bytes:
    tensors = safetensors.numpy.load(data)
    del tensors["entry_rows"]
    return safetensors.numpy.save(tensors, {"format": "lseg-words-1"})


def of_another_format(data: bytes) -> bytes:
    return safetensors.numpy.save(safetensors.numpy.load(data), {"format": "something-else"})


def without_metadata(data: bytes) -> bytes:
    return safetensors.numpy.save(safetensors.numpy.load(data))


def with_fewer_weights(data: bytes) -> bytes:
    tensors = safetensors.numpy.load(data)
    tensors["entry_weights"] = tensors["entry_weights"][:-1]
    return safetensors.numpy.save(tensors, {"format": "lseg-words-1"})


@pytest.mark.parametrize("damage", [without_rows, of_another_format, without_metadata, with_fewer_weights])
def test_a_foreign_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "words.safetensors"
    path.write_bytes(damage(BUNDLED.read_bytes()))
    with pytest.raises(MismatchError, match=r"words\.safetensors"):
        WordTable.open(path)


@pytest.mark.parametrize("kept", [0, 5, 100, 100_000])
def test_a_damaged_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "words.safetensors"
    path.write_bytes(BUNDLED.read_bytes()[:kept])
    with pytest.raises(MismatchError, match=r"words\.safetensors"):
        WordTable.open(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"nowhere\.safetensors"):
        WordTable.open(tmp_path / "nowhere.safetensors")
