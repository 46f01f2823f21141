"""Embedded once, asked many times."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import lseg_cli as lseg
from lseg_cli.config import ModelConfig
from lseg_cli.inference.embedding import read_embedding
from tests.api.conftest import LABELS, saved

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def embedding(pixels: Pixels, model: lseg.Model) -> lseg.Embedding:
    return model.embed(pixels)


def test_masks_are_those_of_the_model(embedding: lseg.Embedding, pixels: Pixels, model: lseg.Model) -> None:
    wanted, found = model.segment(pixels, LABELS), embedding.segment(LABELS)
    assert (wanted.mask == found.mask).mean() > 0.999  # float16 is between them
    np.testing.assert_allclose(found.confidence, wanted.confidence, atol=0.02)
    assert found.overlay().size == wanted.overlay().size


@pytest.mark.parametrize("stride", [2, 4])
def test_similarity_is_the_cosine_that_decides_without_a_regulariser(
    tmp_path: Path, vit_config: ModelConfig, pixels: Pixels, stride: int
) -> None:
    """Without one the label with the largest cosine wins, so the maps must tell the mask."""
    text = vit_config.text.model_copy(update={"width": 192})  # as the word table has it
    path = saved(vit_config.model_copy(update={"text": text}), tmp_path / "m.safetensors")
    plain = lseg.load(path, device="cpu")
    embedding = plain.embed(pixels, stride=stride)
    names = ["sky", "building", "tree"]
    maps = np.stack([embedding.similarity(name) for name in names])
    assert maps.shape == (3, *pixels.shape[:2])
    assert maps.dtype == np.float32
    assert -1 <= maps.min() < maps.max() <= 1
    mask = embedding.segment(names).mask
    best = np.sort(maps, axis=0)
    is_clear = best[-1] - best[-2] > 1e-4
    assert is_clear.mean() > 0.5
    np.testing.assert_array_equal(maps.argmax(0)[is_clear], mask[is_clear])


def test_a_thing_is_nearer_to_its_word_than_the_rest_of_the_picture(embedding: lseg.Embedding) -> None:
    heat, mask = embedding.similarity("sky"), embedding.segment(LABELS).mask
    assert heat[mask == 0].mean() > heat[mask != 0].mean() + 0.1


def test_nothing_in_a_text_is_parsed(embedding: lseg.Embedding) -> None:
    assert embedding.similarity("sky, clouds").ndim == 2
    with pytest.raises(lseg.LsegError, match="empty"):
        embedding.similarity(" ")


def test_an_embedding_is_saved_as_the_command_line_saves_it(embedding: lseg.Embedding, tmp_path: Path) -> None:
    for name in ("e.safetensors", "e.npy"):
        embedding.save(tmp_path / name)
        np.testing.assert_array_equal(read_embedding(tmp_path / name).array, embedding.array)
        with pytest.raises(lseg.LsegError, match="is there already"):
            embedding.save(tmp_path / name)
        embedding.save(tmp_path / name, overwrite=True)
    with pytest.raises(lseg.LsegError, match="must end with"):
        embedding.save(tmp_path / "e.txt")


def test_stride_2_has_unit_length(pixels: Pixels, model: lseg.Model) -> None:
    array = model.embed(pixels, stride=2).array.astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(array, axis=0), 1, atol=2e-3)
    with pytest.raises(lseg.LsegError, match="3"):
        model.embed(pixels, stride=3)


def test_an_embedding_says_what_it_is(embedding: lseg.Embedding) -> None:
    channels, height, width = embedding.array.shape
    assert repr(embedding) == f"Embedding(picture, {channels}x{height}x{width})"
