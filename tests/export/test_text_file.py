"""A small text tower of open_clip, with random weights, as an ONNX file."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch

from lseg_cli.config import TextConfig
from lseg_cli.errors import LsegError, MismatchError, VerificationError
from lseg_cli.exporting.verify import verify_text
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.model.text.clip import ClipTextEncoder
from lseg_cli.model.text.exported_tower import ExportedTower
from lseg_cli.model.text.labels import embed_labels
from lseg_engines.text_tower import find_tower
from lseg_export.text_file import export_text

TINY = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 2},
    "text_cfg": {"context_length": 10, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
Exported = tuple[ClipTextEncoder, Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("clip")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": {}}))
    config = TextConfig(kind="open_clip", name=f"local-dir:{folder}", width=16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import open_clip  # noqa: PLC0415  seconds

        torch.manual_seed(0)
        model: Any = open_clip.create_model(config.name, load_weights=False)
    safetensors.torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    path = folder / "model.text.onnx"
    return export_text(config, path, 20), path


def test_tokens_in_embeddings_out(exported: Exported) -> None:
    encoder, path = exported
    texts = ["sky", "a road", "traffic light"]
    tower = ExportedTower.open(path)
    assert (tower.width, tower.context_length, tower.sha256) == (16, 10, encoder.sha256)
    for count in (1, 3):
        found = tower.embed(texts[:count])
        assert found.dtype == np.float32
        assert np.abs(found - encoder.embed(texts[:count])).max() < 1e-6
    assert [tower.token_count(text) for text in texts] == [encoder.token_count(text) for text in texts]
    assert verify_text(encoder, path) < 1e-5


def test_the_number_of_texts_is_free_and_no_path_is_inside(exported: Exported) -> None:
    encoder, path = exported
    graph = onnx.load(path)
    shapes = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
    ]
    assert shapes == [["labels", 10], ["labels", 16]]
    metadata = {each.key: each.value for each in graph.metadata_props}
    assert metadata.keys() == {"lseg.text_sha256", "lseg.tokenizer"}
    assert metadata["lseg.text_sha256"] == encoder.sha256
    assert str(path.parent).encode() not in path.read_bytes()


def test_a_tower_is_found_by_its_hash(exported: Exported, tmp_path: Path) -> None:
    encoder, path = exported
    text = TextConfig(kind="open_clip", name="any", width=16, sha256=encoder.sha256)
    model = tmp_path / "street.onnx"
    assert find_tower(text, model) is None
    shutil.copy(path, tmp_path / "clip.text.onnx")
    assert find_tower(text, model) == tmp_path / "clip.text.onnx"
    assert find_tower(text.model_copy(update={"sha256": "0" * 64}), model) is None
    assert find_tower(text.model_copy(update={"sha256": ""}), model) is None  # any could be meant
    shutil.copy(path, tmp_path / "street.text.onnx")
    assert find_tower(text.model_copy(update={"sha256": ""}), model) == tmp_path / "street.text.onnx"
    (tmp_path / "street.text.onnx").write_bytes(b"damaged")
    assert find_tower(text, model) == tmp_path / "clip.text.onnx"


def test_labels_are_embedded_by_the_tower_that_lies_beside(exported: Exported, tmp_path: Path) -> None:
    encoder, path = exported
    config = TextConfig(kind="open_clip", name="no-such-clip", width=16, sha256=encoder.sha256, weights=str(path))
    vectors, _ = embed_labels([["sky"], ["a road", "street"]], config, EmbeddingCache(tmp_path))
    expected = encoder.embed(["sky"])
    assert np.abs(vectors[:1] - expected).max() < 1e-6
    other = config.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(MismatchError, match="the model was made with 000000000000"):
        embed_labels([["sky"]], other, None)


def test_a_file_that_is_no_tower_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.text.onnx").write_bytes(b"damaged")
    with pytest.raises(MismatchError, match="is not a whole text encoder; export the model again"):
        ExportedTower.open(tmp_path / "x.text.onnx")


def test_another_tower_is_found_out(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, path = exported
    embed = encoder.embed
    monkeypatch.setattr(encoder, "embed", lambda texts: embed(texts) + 1e-3)
    with pytest.raises(VerificationError, match=r"embeddings differ by up to 0\.001"):
        verify_text(encoder, path)


def test_a_table_of_words_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(LsegError, match="a table of words, not a network"):
        export_text(TextConfig(kind="words", name="words", width=16), tmp_path / "text.onnx", 20)
    assert list(tmp_path.iterdir()) == []
