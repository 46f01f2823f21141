"""Labels and the text encoder of a model, with and without a vocabulary."""

from pathlib import Path

import numpy as np
import pytest

from lseg_cli.config import TextConfig
from lseg_cli.data.labels import LabelSet, parse_labels
from lseg_cli.data.vocabulary import read_vocabulary
from lseg_cli.drawing.palette import colors
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.inference import label_embedding
from lseg_cli.inference.label_embedding import check_labels, compile_vocabulary, embed_label_set, write_vocabulary
from lseg_cli.model.text.word_table import WordTable

WORDS = TextConfig(kind="words", name="words", width=192)
CLIP = TextConfig(kind="open_clip", name="ViT-B-32-quickgelu", pretrained="openai", width=192)
LABELS = parse_labels("sky, road=road|street, other")[0]


@pytest.fixture(scope="module")
def words_sha256() -> str:
    return WordTable.open().sha256


def test_a_vocabulary_gives_what_the_encoder_would_give(words_sha256: str, tmp_path: Path) -> None:
    vocabulary, _ = compile_vocabulary(LABELS, WORDS)
    write_vocabulary(vocabulary, tmp_path / "new" / "street.vocab.safetensors")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["street.vocab.safetensors"]
    assert [label.color for label in vocabulary.labels] == colors(LABELS)
    taken = embed_label_set(read_vocabulary(tmp_path / "new" / "street.vocab.safetensors"), WORDS)
    embedded = embed_label_set(LABELS, WORDS)
    assert np.array_equal(taken.vectors, embedded.vectors)
    assert taken.encoder == embedded.encoder == WORDS.model_copy(update={"sha256": words_sha256})


def test_a_vocabulary_is_compiled_anew_from_its_prompts() -> None:
    vocabulary, _ = compile_vocabulary(LABELS, WORDS)
    again, _ = compile_vocabulary(vocabulary, WORDS.model_copy(update={"templates": ("red {}",)}))
    assert again.labels == vocabulary.labels
    assert again.encoder.templates == ("red {}",)
    assert not np.allclose(again.embeddings, vocabulary.embeddings)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"sha256": "cd" * 32}, "words \\(width 192, hash cdcdcdcdcdcd\\)"),
        ({"width": 512}, "words \\(width 512\\)"),
        (CLIP.model_dump(), "ViT-B-32-quickgelu \\(width 192\\)"),
    ],
)
def test_one_of_another_encoder_is_refused_by_both_names(other: dict[str, object], named: str) -> None:
    vocabulary, _ = compile_vocabulary(LABELS, WORDS)
    with pytest.raises(MismatchError, match=f"made by the text encoder words \\(width 192, .* {named}"):
        embed_label_set(vocabulary, WORDS.model_copy(update=other))


def test_a_published_clip_of_the_same_name_need_not_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a preset nobody knows the hash before the weights are there."""
    known = CLIP.model_copy(update={"sha256": "ab" * 32})
    vocabulary = compile_vocabulary(LABELS, WORDS)[0].model_copy(update={"encoder": known})
    monkeypatch.setattr(label_embedding, "encoder_sha256", lambda *_: pytest.fail("loaded"))
    assert embed_label_set(vocabulary, CLIP).encoder == known


def test_another_clip_is_told_by_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    known = CLIP.model_copy(update={"sha256": "ab" * 32, "pretrained": "/one/place.pt"})
    vocabulary = compile_vocabulary(LABELS, WORDS)[0].model_copy(update={"encoder": known})
    elsewhere = CLIP.model_copy(update={"pretrained": "/another/place.pt"})
    monkeypatch.setattr(label_embedding, "encoder_sha256", lambda *_: "ab" * 32)
    assert embed_label_set(vocabulary, elsewhere).encoder == known
    monkeypatch.setattr(label_embedding, "encoder_sha256", lambda *_: "cd" * 32)
    with pytest.raises(MismatchError):
        embed_label_set(vocabulary, elsewhere)


def test_templates_cannot_be_changed_afterwards() -> None:
    vocabulary, _ = compile_vocabulary(LABELS, WORDS)
    with pytest.raises(LsegError, match="compile it again"):
        embed_label_set(vocabulary, WORDS, ("a photo of a {}",))
    assert embed_label_set(vocabulary, WORDS, ("{}",)).notices == []


def test_a_check_tells_all_that_is_odd() -> None:
    labels, notices = check_labels("sky,,heaven=sky, Sky, zorblax,", WORDS)
    assert labels.names == ("sky", "heaven", "zorblax")
    said = "\n".join(notices)
    assert "The label 'Sky' is given more than once" in said
    assert "2 of the entries between commas are empty" in said
    assert "nearly the same to the text encoder (cosine 1.000)" in said
    assert "The text encoder does not know 'zorblax'" in said
    assert len(notices) == 4


def test_a_check_of_a_lone_label_and_of_good_ones() -> None:
    assert "only label" in check_labels("sky", WORDS)[1][0]
    assert check_labels("sky,road,other", WORDS)[1] == []


def test_a_check_refuses_a_vocabulary_of_another_encoder(tmp_path: Path) -> None:
    path = tmp_path / "street.safetensors"
    write_vocabulary(compile_vocabulary(LABELS, WORDS)[0], path)
    assert check_labels(str(path), WORDS)[0].names == LABELS.names
    with pytest.raises(MismatchError):
        check_labels(str(path), WORDS.model_copy(update={"sha256": "cd" * 32}))


def test_a_vocabulary_that_cannot_be_written(tmp_path: Path) -> None:
    vocabulary, _ = compile_vocabulary(LabelSet.of(["sky", "road"]), WORDS)
    with pytest.raises(LsegError, match=r"must end with \.safetensors"):
        write_vocabulary(vocabulary, tmp_path / "street.vocab")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_vocabulary(vocabulary, tmp_path / "file" / "street.safetensors")
