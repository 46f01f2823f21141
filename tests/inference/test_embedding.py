"""Embeddings: what they hold, where their cells lie, and that new labels give what the model itself would."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lseg_cli.config import ModelConfig, RegularizerConfig
from lseg_cli.contract import FEATURES
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.inference.embedding import (
    Embedding,
    encode,
    find_embeddings,
    read_embedding,
    read_info,
    unit_upsample,
    write_embedding,
)
from lseg_cli.inference.relabel import relabel, score, upsampled_square
from lseg_cli.inference.segmenter import PixelOutputs, Segmenter
from lseg_cli.model.correlation import unit_upsample as unit_upsample_of_the_paper
from lseg_cli.model.correlation import upsampled_square as square_of_the_network
from lseg_cli.model.lseg import build
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.torch_engine import TorchEngine
from lseg_export.options import GraphOptions

RANDOM = np.random.default_rng(0)
PICTURE: NDArray[np.uint8] = np.kron(RANDOM.integers(0, 255, (10, 13, 3)), np.ones((8, 8, 1))).astype(np.uint8)
TEXT = RANDOM.standard_normal((5, 16)).astype(np.float32)


def engine_of(config: ModelConfig) -> TorchEngine:
    torch.manual_seed(0)
    model = build(config)
    model(torch.randn(4, 3, 64, 64), TEXT_TENSOR)  # statistics, as after training
    return TorchEngine(model, "hash", "cpu")


TEXT_TENSOR = torch.from_numpy(TEXT)


@pytest.fixture(params=["none", "depthwise", "bottleneck"])
def engine(request: pytest.FixtureRequest, pyramid_config: ModelConfig) -> TorchEngine:
    depth = 0 if request.param == "none" else 2
    block = RegularizerConfig.model_validate({"kind": request.param, "depth": depth})
    return engine_of(pyramid_config.model_copy(update={"regularizer": block}))


@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("suffix", ["safetensors", "npy"])
def test_relabelling_gives_the_models_masks(engine: TorchEngine, stride: int, suffix: str, tmp_path: Path) -> None:
    segmenter = Segmenter(engine, TEXT, 96, outputs=PixelOutputs(probability=True))
    write_embedding(segmenter.encode(PICTURE, stride), tmp_path / f"a.{suffix}")
    again, expected = segmenter.relabel(read_embedding(tmp_path / f"a.{suffix}"), TEXT), segmenter.segment(PICTURE)
    assert again.index.shape == PICTURE.shape[:2]
    assert (again.index == expected.index).mean() >= 0.998  # of 8,000 pixels; random weights leave many ties
    assert again.confidence is not None
    assert expected.confidence is not None
    assert np.abs(again.confidence - expected.confidence).max() < 0.02
    assert again.mean_confidence == pytest.approx(expected.mean_confidence, abs=1e-3)


@pytest.mark.parametrize("stride", [2, 4])
def test_scores_are_the_models(engine: TorchEngine, stride: int) -> None:
    image = Segmenter(engine, TEXT, 96).preprocess(PICTURE)
    embedding = encode(engine, image, (80, 104), stride)
    scores = engine.run(image, TEXT, ["scores"])["scores"][0]
    assert np.abs(np.subtract(score(embedding, 3 * TEXT), scores)).max() < 0.05  # float16: 3 digits of 14


def test_at_stride_2_every_cell_has_length_1(engine: TorchEngine) -> None:
    embedding = Segmenter(engine, TEXT, 96).encode(PICTURE, 2)
    assert embedding.array.shape == (16, 32, 48)
    assert embedding.array.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(embedding.array.astype(np.float32), axis=0), 1, atol=2e-3)
    assert embedding.info.unit_length


def test_at_stride_4_the_largest_number_is_1(engine: TorchEngine) -> None:
    embedding = Segmenter(engine, TEXT, 96).encode(PICTURE)
    assert embedding.array.shape == (16, 16, 24)
    assert np.abs(embedding.array).max() == 1
    assert not embedding.info.unit_length


def test_the_file_says_what_it_is(engine: TorchEngine, tmp_path: Path) -> None:
    image = Segmenter(engine, TEXT, 96).preprocess(PICTURE)
    write_embedding(encode(engine, image, (80, 104), 4, "in/a.jpg"), tmp_path / "a.npy")
    facts = json.loads((tmp_path / "a.json").read_text())
    assert (facts["source"], facts["picture_px"], facts["network_px"], facts["stride"]) == (
        "in/a.jpg", [80, 104], [64, 96], 4,
    )  # fmt: skip
    assert facts["model_sha256"] == "hash"
    assert facts["model"]["text"]["width"] == 16
    assert "align_corners=True" in facts["geometry"]
    assert len(facts["kernel"]) in (0, 10)
    assert np.load(tmp_path / "a.npy").shape == (16, 16, 24)
    assert read_info(tmp_path / "a.npy").picture_px == (80, 104)


def test_the_memory_order_of_the_array_does_not_matter(engine: TorchEngine, tmp_path: Path) -> None:
    embedding = Segmenter(engine, TEXT, 96).encode(PICTURE)
    turned = Embedding(np.asfortranarray(embedding.array), embedding.info)
    for suffix in ("safetensors", "npy"):
        write_embedding(turned, tmp_path / f"a.{suffix}")
        assert np.array_equal(read_embedding(tmp_path / f"a.{suffix}").array, embedding.array)


@pytest.mark.parametrize("stride", [2, 4])
def test_an_exported_graph_gives_the_same_embedding(
    exported: Callable[[ModelConfig, GraphOptions], tuple[Path, Path]], pyramid_config: ModelConfig, stride: int
) -> None:
    source, path = exported(pyramid_config, GraphOptions())
    ours, theirs = (
        Segmenter(each, TEXT, 96).encode(PICTURE, stride)
        for each in (OnnxEngine.open(path, "cpu", outputs=FEATURES), TorchEngine.open(source, "cpu"))
    )
    np.testing.assert_allclose(ours.array.astype(np.float32), theirs.array.astype(np.float32), atol=2**-10)
    assert ours.info.kernel == theirs.info.kernel
    assert len(ours.info.kernel) == 10
    same = relabel(ours, TEXT).index == relabel(theirs, TEXT).index
    assert same.mean() >= 0.998  # of 8,000 pixels; random weights leave many ties


def test_the_embedding_at_stride_2_is_the_papers() -> None:
    features = torch.from_numpy(RANDOM.standard_normal((16, 5, 7)).astype(np.float32))
    expected = unit_upsample_of_the_paper(features[None])[0].numpy()
    assert np.abs(unit_upsample(features.numpy()).astype(np.float32) - expected).max() < 1e-3  # float16


def test_the_square_of_the_length_is_the_networks() -> None:
    features = RANDOM.standard_normal((16, 5, 7)).astype(np.float32)
    expected = square_of_the_network(torch.from_numpy(features)[None])[0, 0].numpy()
    np.testing.assert_allclose(upsampled_square(features), expected, rtol=1e-5)


def test_an_engine_of_an_earlier_version_is_told(engine: TorchEngine) -> None:
    engine.spec = engine.spec.model_copy(update={"outputs": ("logits", "mask", "confidence", "scores")})
    with pytest.raises(MismatchError, match="gives no 'features': an earlier version exported it; export it again"):
        Segmenter(engine, TEXT).encode(PICTURE)


def test_other_strides_and_widths_are_told(engine: TorchEngine) -> None:
    segmenter = Segmenter(engine, TEXT, 96)
    with pytest.raises(LsegError, match="--stride 3 cannot be given"):
        segmenter.encode(PICTURE, 3)
    with pytest.raises(MismatchError, match="this one is 16 wide"):
        segmenter.relabel(segmenter.encode(PICTURE), np.ones((2, 8), np.float32))


def test_what_is_not_a_number_is_told(engine: TorchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        features = np.full((1, 16, 16, 16), np.nan, np.float16)
        broken.setattr(engine, "run", lambda _image, _text, _outputs: {"features": features})
        with pytest.raises(DataError, match="not a number; try --precision fp32"):
            encode(engine, np.zeros((1, 64, 64, 3), np.uint8), (64, 64))
    embedding = Segmenter(engine, TEXT, 96).encode(PICTURE)
    spoiled = Embedding(np.full_like(embedding.array, np.nan), embedding.info)
    with pytest.raises(DataError, match="embed the picture again"):
        relabel(spoiled, TEXT)


def test_a_regulariser_that_is_missing_is_told(pyramid_config: ModelConfig) -> None:
    embedding = Segmenter(engine_of(pyramid_config), TEXT, 96).encode(PICTURE)
    stripped = Embedding(embedding.array, embedding.info.model_copy(update={"kernel": ()}))
    with pytest.raises(DataError, match="its regulariser's 10 numbers"):
        relabel(stripped, TEXT)


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "shape", "sidecar"])
def test_broken_files_are_told(engine: TorchEngine, tmp_path: Path, damage: str) -> None:
    path = tmp_path / ("a.npy" if damage in ("shape", "sidecar") else "a.safetensors")
    write_embedding(Segmenter(engine, TEXT, 96).encode(PICTURE), path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage in ("empty", "other"):
        path.write_bytes(b"" if damage == "empty" else b"not an embedding at all")
    elif damage == "sidecar":
        path.with_suffix(".json").unlink()
    else:
        np.save(path, np.zeros((16, 2, 2), np.float16))
    with pytest.raises(DataError, match=r"not a whole embedding|but says that it is"):
        read_embedding(path)


def test_embeddings_are_found(tmp_path: Path) -> None:
    for name in ("embeddings/x/a.safetensors", "embeddings/b.npy", "embeddings/b.json", "run.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_embeddings((str(tmp_path),)) == [
        (tmp_path / "embeddings/b.npy", "b"),
        (tmp_path / "embeddings/x/a.safetensors", "x/a"),
    ]
    single = tmp_path / "embeddings" / "b.npy"
    assert find_embeddings((str(single), str(single))) == [(single, "b")]
    with pytest.raises(LsegError, match="There is no file or folder 'nowhere'"):
        find_embeddings(("nowhere",))
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="There is no embedding in"):
        find_embeddings((str(tmp_path / "none"),))
    (tmp_path / "none" / "b.npy").touch()
    with pytest.raises(LsegError, match="would have one name in the output"):
        find_embeddings((str(tmp_path), str(tmp_path / "none")))
