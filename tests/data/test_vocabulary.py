"""A compiled vocabulary's file: read back as written, and refused in a sentence when it is not whole."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from lseg_cli.config import TextConfig
from lseg_cli.data.labels import Label, LabelSet
from lseg_cli.data.vocabulary import VOCABULARY_KEY, Vocabulary, open_labels, read_vocabulary
from lseg_cli.errors import LsegError, MismatchError

ENCODER = TextConfig(kind="words", name="words", width=4, templates=("a {}",), sha256="ab" * 32)
LABELS = (
    Label(name="Füße", prompts=("foot", "feet"), color=(1, 2, 3), id=7),
    Label(name="a, b", id=300),
)


def vocabulary(scale: float = 1.0) -> Vocabulary:
    return Vocabulary(labels=LABELS, encoder=ENCODER, embeddings=np.eye(2, 4, dtype=np.float32) * np.float32(scale))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "my, labels.vocab.safetensors"
    path.write_bytes(vocabulary().to_bytes())
    return path


def test_all_of_it_comes_back(path: Path) -> None:
    read = read_vocabulary(path)
    assert read.labels == LABELS
    assert read.encoder == ENCODER
    assert np.array_equal(read.embeddings, vocabulary().embeddings)


@pytest.mark.parametrize("prefix", ["", "@"])
def test_it_stands_where_labels_stand(path: Path, prefix: str) -> None:
    labels, notices = open_labels(prefix + str(path).replace(",", "\\,"))
    assert isinstance(labels, Vocabulary)
    assert labels.ids == (7, 300)
    assert notices == []


def test_other_texts_are_parsed() -> None:
    labels, _ = open_labels("sky, road")
    assert type(labels) is LabelSet
    assert labels.names == ("sky", "road")


def test_it_stands_alone(path: Path) -> None:
    with pytest.raises(LsegError, match="a compiled vocabulary stands alone"):
        open_labels(f"sky, {path.as_posix()}".replace("my,", "my\\,"))


def test_its_digest_is_over_the_embeddings_too() -> None:
    turned = vocabulary().model_copy(update={"embeddings": vocabulary().embeddings[::-1]})
    assert vocabulary().digest() == vocabulary().digest()
    assert len({vocabulary().digest(), turned.digest(), LabelSet(labels=LABELS).digest()}) == 3


def test_a_file_that_is_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in (0, 1, 7, 8, 9, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(MismatchError, match="is damaged"):
            read_vocabulary(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'\\"id\\":300', b'\\"id\\":"x"'), (b'\\"width\\":4', b'\\"width\\":5'), (b'\\"id\\":300', b'\\"id\\":  7')],
)
def test_facts_that_do_not_hold_are_refused(path: Path, old: bytes, new: bytes) -> None:
    whole = path.read_bytes()
    assert len(old) == len(new)
    assert old in whole
    path.write_bytes(whole.replace(old, new))
    with pytest.raises(MismatchError, match="is damaged"):
        read_vocabulary(path)


@pytest.mark.parametrize("scale", [0.5, float("nan")])
def test_embeddings_that_have_not_length_one_are_refused(path: Path, scale: float) -> None:
    path.write_bytes(vocabulary(scale).to_bytes())
    with pytest.raises(MismatchError, match="is not unit length"):
        read_vocabulary(path)


@pytest.mark.parametrize("metadata", [None, {"lseg.config": "{}"}, {VOCABULARY_KEY: "[]"}, {VOCABULARY_KEY: "{"}])
def test_other_safetensors_files_are_refused(path: Path, metadata: dict[str, str] | None) -> None:
    safetensors.numpy.save_file({"embeddings": np.eye(2, 4, dtype=np.float32)}, path, metadata)
    with pytest.raises(MismatchError, match=r"is not a vocabulary|is damaged"):
        read_vocabulary(path)


@pytest.mark.parametrize("name", ["gone.safetensors", "@gone.SAFETENSORS", "~nobody-of-this-name/x.safetensors"])
def test_a_file_that_cannot_be_read_is_told(name: str) -> None:
    with pytest.raises(LsegError, match="cannot be read") as caught:
        open_labels(name)
    assert caught.value.exit_code == 2
