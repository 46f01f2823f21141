import os
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.config import PRESETS, TextConfig
from lseg_cli.data.labels import parse_labels
from lseg_cli.errors import LsegError, MismatchError, MissingError
from lseg_cli.model.text.cache import Embedding, EmbeddingCache
from lseg_cli.model.text.clip import ClipTextEncoder
from lseg_cli.model.text.encoder_name import EncoderName
from lseg_cli.model.text.labels import embed_labels, encoder_sha256, named_encoder, open_encoder, spelled_out
from lseg_cli.model.text.word_table import WordTable

CLIP = TextConfig(kind="open_clip", name="ViT-B-32-quickgelu", pretrained="openai", width=8)
WORDS = TextConfig(kind="words", name="words", width=8)


class FakeEncoder:
    """Random but fixed directions; every letter is a token."""

    context_length: int | None = 12

    def __init__(self, sha256: str = "ab" * 32) -> None:
        self.width = 8
        self.sha256 = sha256
        self.asked: list[str] = []

    def token_count(self, text: str) -> int:
        return len(text)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        rows = [np.random.default_rng(list(text.encode())).normal(size=8) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32).reshape(-1, 8)


class Opened:
    """Stands in for the loading of encoders and counts it."""

    def __init__(self) -> None:
        self.count = 0
        self.encoder = FakeEncoder()

    def __call__(self, _: object) -> FakeEncoder:
        self.count += 1
        return self.encoder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    stand_in = Opened()
    monkeypatch.setattr(ClipTextEncoder, "open", stand_in)
    monkeypatch.setattr(WordTable, "open", stand_in)
    return stand_in


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path / "text")


@pytest.mark.parametrize("config", [CLIP, WORDS], ids=["clip", "words"])
def test_a_plain_label_is_its_texts_vector(opened: Opened, config: TextConfig) -> None:
    vectors, notices = embed_labels([["sky"], ["road"]], config, None)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, FakeEncoder().embed(["sky", "road"]), atol=1e-7)
    assert notices == []
    assert opened.count == 1


def test_prompts_and_templates_are_averaged_then_normalised(opened: Opened) -> None:
    config = CLIP.model_copy(update={"templates": ("{}", "a {}")})
    vectors, _ = embed_labels([["sky"], ["car", "auto"]], config, None)
    mean = FakeEncoder().embed(["car", "a car", "auto", "a auto"]).mean(0)
    np.testing.assert_allclose(vectors[1], mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert opened.encoder.asked == ["sky", "a sky", "car", "a car", "auto", "a auto"]


def test_a_text_is_embedded_once_and_braces_are_letters(opened: Opened) -> None:
    embed_labels([["{sky}", "a"], ["a"], ["{sky}"]], CLIP, None)
    assert opened.encoder.asked == ["{sky}", "a"]


def test_the_encoder_is_opened_for_new_texts_only(opened: Opened, cache: EmbeddingCache) -> None:
    first, _ = embed_labels([["sky"], ["road"]], CLIP, cache)
    assert opened.count == 1
    again, _ = embed_labels([["road"], ["sky"]], CLIP, cache)
    assert opened.count == 1
    np.testing.assert_array_equal(again, first[::-1])
    embed_labels([["road"], ["tree"]], CLIP, cache)
    assert opened.count == 2
    assert opened.encoder.asked == ["sky", "road", "tree"]


def test_a_template_is_part_of_the_key(opened: Opened, cache: EmbeddingCache) -> None:
    embed_labels([["sky"]], CLIP, cache)
    embed_labels([["sky"]], CLIP.model_copy(update={"templates": ("a {}",)}), cache)
    assert opened.encoder.asked == ["sky", "a sky"]


def test_the_words_table_uses_no_cache(opened: Opened, cache: EmbeddingCache) -> None:
    embed_labels([["sky"]], WORDS, cache)
    embed_labels([["sky"]], WORDS, cache)
    assert opened.count == 2
    assert not cache.directory.exists()


def test_a_changed_encoder_is_noticed_when_it_is_opened(opened: Opened, cache: EmbeddingCache) -> None:
    embed_labels([["sky"]], CLIP, cache)
    opened.encoder = FakeEncoder("cd" * 32)
    embed_labels([["sky"], ["road"]], CLIP, cache)
    assert opened.encoder.asked == ["sky", "road"]  # nothing of the old encoder's is mixed in
    assert encoder_sha256(CLIP, cache) == "cd" * 32


@pytest.mark.parametrize("config", [CLIP, WORDS], ids=["clip", "words"])
@pytest.mark.usefixtures("opened")
def test_another_encoder_than_the_models_is_refused(config: TextConfig, cache: EmbeddingCache) -> None:
    other = config.model_copy(update={"sha256": "ef" * 32})
    for used in (None, cache, cache):
        with pytest.raises(MismatchError, match=r"hash abababababab.*efefefefefef"):
            embed_labels([["sky"]], other, used)
    right = config.model_copy(update={"sha256": "ab" * 32})
    assert embed_labels([["sky"]], right, cache)[0].shape == (1, 8)


def test_with_the_models_hash_cached_texts_need_no_encoder(opened: Opened, cache: EmbeddingCache) -> None:
    embed_labels([["sky"]], CLIP, cache)
    elsewhere = CLIP.model_copy(update={"pretrained": "/not/here.safetensors", "sha256": "ab" * 32})
    assert embed_labels([["sky"]], elsewhere, cache)[0].shape == (1, 8)
    assert opened.count == 1


@pytest.mark.usefixtures("opened")
def test_another_width_than_the_models_is_refused(cache: EmbeddingCache) -> None:
    for used in (None, cache, cache):
        with pytest.raises(MismatchError, match="width 8, but the model takes 512"):
            embed_labels([["sky"]], CLIP.model_copy(update={"width": 512}), used)


def test_the_hash_is_remembered(opened: Opened, cache: EmbeddingCache) -> None:
    assert encoder_sha256(CLIP.model_copy(update={"sha256": "12"})) == "12"
    assert opened.count == 0
    assert encoder_sha256(CLIP, cache) == "ab" * 32
    assert encoder_sha256(CLIP, cache) == "ab" * 32
    assert opened.count == 1
    assert encoder_sha256(WORDS) == "ab" * 32


@pytest.mark.usefixtures("opened")
def test_cut_text_is_noticed_from_the_cache_too(cache: EmbeddingCache) -> None:
    for _ in range(2):
        _, notices = embed_labels([["sky"], ["a very long street"]], CLIP, cache)
        assert notices == ["'a very long street' is cut: it has 18 tokens and the text encoder reads 12."]


@pytest.mark.usefixtures("opened")
def test_alike_labels_are_noticed() -> None:
    _, notices = embed_labels([["sky"], ["road", "street"], ["street", "road"]], CLIP, None)
    assert notices == ["'road' and 'street' are nearly the same to the text encoder (cosine 1.000)."]


@pytest.mark.usefixtures("opened")
def test_many_alike_labels_are_counted() -> None:
    _, notices = embed_labels([["sky"]] * 300, CLIP, None)  # more than one block of the table of cosines
    assert len(notices) == 11
    assert notices[-1].startswith(f"{300 * 299 // 2 - 10} further pairs")


@pytest.mark.usefixtures("opened")
def test_a_cache_that_cannot_be_written_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    vectors, notices = embed_labels([["sky"]], CLIP, EmbeddingCache(tmp_path / "file"))
    assert vectors.shape == (1, 8)
    assert len(notices) == 1
    assert "cannot be kept" in notices[0]


def test_no_label_and_no_place_in_a_template_are_told() -> None:
    with pytest.raises(LsegError, match="no labels"):
        embed_labels([], CLIP, None)
    for templates in ((), ("{}", "a photo")):
        with pytest.raises(LsegError, match="no place for the label"):
            embed_labels([["sky"]], CLIP.model_copy(update={"templates": templates}), None)


def test_the_bundled_word_table_embeds() -> None:
    config = PRESETS["lseg-tiny"].text
    vectors, notices = embed_labels([["sky"], ["road", "street"], ["other"]], config, None)
    assert vectors.shape == (3, config.width)
    assert notices == []


def test_a_missing_word_table_is_told() -> None:
    with pytest.raises(MissingError, match=r"nowhere\.safetensors"):
        open_encoder(WORDS.model_copy(update={"pretrained": "nowhere.safetensors"}))


CACHED_RUN = """
import sys
from lseg_cli.config import TextConfig
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.model.text.labels import embed_labels
config = TextConfig(kind="open_clip", name="ViT-B-32-quickgelu", pretrained="openai", width=8, templates=("a {}",))
vectors, notices = embed_labels([["sky"], ["road"]], config, EmbeddingCache())
assert vectors.shape == (2, 8) and not notices, notices
assert not {"torch", "open_clip"} & set(sys.modules)
"""


def test_with_everything_cached_neither_torch_nor_open_clip_is_imported(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "text")
    rows = np.eye(8, dtype=np.float32)
    cache.put("ab" * 32, {"a sky": Embedding(rows[0], 4, 77), "a road": Embedding(rows[1], 4, 77)})
    cache.remember_encoder([CLIP.name, CLIP.pretrained], "ab" * 32)
    env = {**os.environ, "LSEG_CACHE": str(tmp_path), "PYTHONPATH": "."}
    subprocess.run([sys.executable, "-c", CACHED_RUN], env=env, check=True)


@pytest.mark.parametrize(
    ("name", "architecture", "pretrained"),
    [
        ("ViT-B-32-quickgelu/openai", "ViT-B-32-quickgelu", "openai"),
        ("ViT-B-32-quickgelu//data/weights.pt", "ViT-B-32-quickgelu", "/data/weights.pt"),
        ("ViT-B-32", "ViT-B-32", ""),
    ],
)
def test_an_encoder_can_be_named(name: str, architecture: str, pretrained: str) -> None:
    assert named_encoder(EncoderName.parse(name)) == TextConfig(
        kind="open_clip", name=architecture, pretrained=pretrained, width=512
    )


def test_the_word_table_can_be_named() -> None:
    assert named_encoder(EncoderName("words")) == PRESETS["lseg-tiny"].text


def test_words_that_are_not_known_are_told_once() -> None:
    (notice,) = spelled_out([["zorblax sky"], ["sky", "zorblax", "Fahrradschloss"]], PRESETS["lseg-tiny"].text)
    assert notice.startswith("The text encoder does not know 'zorblax', 'fahrradschloss': it reads English words")
    assert spelled_out([["zorblax"]], CLIP) == []
    assert spelled_out([["sky"]], PRESETS["lseg-tiny"].text) == []


def test_many_unknown_words_are_counted() -> None:
    (notice,) = spelled_out([[f"zorb{'x' * number}"] for number in range(1, 31)], PRESETS["lseg-tiny"].text)
    assert "and 20 more" in notice
    assert len(notice) < 500


@pytest.mark.parametrize("pair", [("car", "cars"), ("car", "automobile"), ("road", "street")])
def test_twins_of_the_bundled_model_are_found(pair: tuple[str, str]) -> None:
    _, notices = embed_labels([[pair[0]], [pair[1]], ["sky"]], PRESETS["lseg-tiny"].text, None)
    assert len(notices) == 1
    assert f"'{pair[0]}' and '{pair[1]}' are nearly the same" in notices[0]


def test_things_that_are_not_twins_are_not_said() -> None:
    names = parse_labels("cityscapes, sofa, cup, boat, table")[0].names
    assert embed_labels([[name] for name in names], PRESETS["lseg-tiny"].text, None)[1] == []


@pytest.mark.usefixtures("opened")
def test_twenty_thousand_alike_labels_take_no_gigabytes() -> None:
    tracemalloc.start()
    try:
        _, notices = embed_labels([["sky"]] * 20_000, CLIP, None)
        assert tracemalloc.get_traced_memory()[1] < 300_000_000
    finally:
        tracemalloc.stop()
    assert notices[-1].startswith(f"{20_000 * 19_999 // 2 - 10} further pairs")
    assert "too many to look for pairs" in embed_labels([["sky"]] * 20_001, CLIP, None)[1][0]
