"""From a checkpoint of the original project to a model, and back; on a variant as tiny as the tests' models."""

import json
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from lseg_cli.config import PRESETS, RegularizerConfig
from lseg_cli.contract import TOWER_KEY
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.files import file_sha256
from lseg_cli.model import load
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.header import read_model_config
from lseg_cli.model.lseg import build
from lseg_cli.model.published.conversion import (
    ORIGIN_KEY,
    TOWERS,
    VARIANTS,
    Conversion,
    ConvertOptions,
    convert,
    write_model,
)
from lseg_cli.model.published.lightning import Checkpoint, read_checkpoint
from lseg_cli.model.published.reversion import write_original
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.model.text.clip import ClipTextEncoder
from lseg_cli.model.text.encoder_name import EncoderName
from lseg_cli.model.text.labels import embed_labels

State = dict[str, torch.Tensor]
Official = Callable[..., State]
PLAIN = ConvertOptions()


def checkpoint_of(state: State, tmp_path: Path) -> Checkpoint:
    path = tmp_path / "demo.ckpt"
    torch.save({"epoch": 3, "state_dict": state, "optimizer_states": []}, path)
    return read_checkpoint(path)


def converted(state: State, tmp_path: Path, options: ConvertOptions = PLAIN) -> tuple[Conversion, Path]:
    result = convert(checkpoint_of(state, tmp_path), options)
    path = tmp_path / "model.safetensors"
    write_model(result, path)
    return result, path


def test_every_key_is_accounted_for(official: Official, tmp_path: Path) -> None:
    state = official()
    result, path = converted(state, tmp_path)
    assert set(result.used) | set(result.dead) == set(state)
    assert set(result.used) & set(result.dead) == set()
    dead = [key for key in result.dead if not key.startswith("net.clip_pretrained.visual.")]
    assert sorted(dead) == [
        "net.clip_pretrained.logit_scale",
        "net.pretrained.model.head.weight",
        "net.pretrained.model.norm.weight",
        "net.scratch.refinenet4.resConfUnit1.conv1.weight",
    ]
    assert result.left_out == ("optimizer_states",)
    with safe_open(path, "pt") as file:
        assert not any("visual" in name or name.startswith("original.") for name in file.keys())  # noqa: SIM118


def test_the_file_states_its_origin(official: Official, tmp_path: Path) -> None:
    _, path = converted(official(), tmp_path)
    sha256 = file_sha256(tmp_path / "demo.ckpt")
    assert read_model_config(path).origin == f"demo.ckpt of lang-seg (clip_tiny), sha256 {sha256}"
    with safe_open(path, "pt") as file:
        origin = json.loads(file.metadata()[ORIGIN_KEY])
    assert origin == {"file": "demo.ckpt", "sha256": sha256, "variant": "clip_tiny", "envelope": {"epoch": 3}}


def test_the_model_has_the_checkpoints_numbers(official: Official, tmp_path: Path) -> None:
    state = official()
    _, path = converted(state, tmp_path)
    model = load(path)
    assert torch.equal(model.state_dict()["decoder.head.weight"], state["net.scratch.head1.weight"])
    assert model(torch.zeros(1, 3, 64, 96), torch.randn(2, 16)).shape == (1, 2, 64, 96)


@pytest.mark.parametrize("half_clip", [False, True])
def test_the_text_tower_comes_from_the_file(official: Official, tmp_path: Path, half_clip: bool) -> None:
    state = official(half_clip=half_clip)
    _, path = converted(state, tmp_path)
    config = load(path).config.text
    assert config.weights == str(path)
    encoder = ClipTextEncoder.open(config)
    assert encoder.sha256 == config.sha256
    key = "net.clip_pretrained.token_embedding.weight"
    tower: torch.nn.Module = encoder.tower  # type: ignore[assignment]
    assert torch.equal(tower.state_dict()["token_embedding.weight"], state[key].float())


def test_the_tower_is_not_loaded_for_words_in_the_cache(
    official: Official, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = converted(official(), tmp_path)
    cache = EmbeddingCache(tmp_path / "text")
    first, _ = embed_labels([["sky"], ["road"]], load(path).config.text, cache)
    monkeypatch.setattr(ClipTextEncoder, "open", None)
    again, _ = embed_labels([["road"], ["sky"]], load(path).config.text, cache)
    assert np.array_equal(first[::-1], again)


def test_where_the_file_lies_is_never_written_down(official: Official, tmp_path: Path) -> None:
    _, path = converted(official(), tmp_path)
    model = load(path)
    assert str(tmp_path) in model.config.text.weights
    assert "weights" not in model.config.model_dump_json()
    moved = path.rename(tmp_path / "elsewhere.safetensors")
    assert load(moved).config.text.weights == str(moved)


@pytest.mark.parametrize("half_clip", [False, True])
def test_there_and_back_again_is_exact(official: Official, tmp_path: Path, half_clip: bool) -> None:
    state = official(RegularizerConfig(kind="bottleneck", depth=2), half_clip=half_clip)
    back = tmp_path / "back.ckpt"
    for keep in (False, True):
        result, path = converted(state, tmp_path, ConvertOptions("bottleneck", 2, keep_dead=keep))
        notices = write_original(path, back)
        assert [notice[:30] for notice in notices] == ([] if keep else ["Tensors that nothing uses are n"[:30]])
        again = read_checkpoint(back)
        assert again.facts == {"epoch": 3}
        assert set(again.state) == (set(state) if keep else set(result.used))
        assert all(torch.equal(tensor, state[key]) for key, tensor in again.state.items())
        assert all(tensor.dtype == state[key].dtype for key, tensor in again.state.items())


def test_half_is_for_the_image_side(official: Official, tmp_path: Path) -> None:
    result, path = converted(official(), tmp_path, ConvertOptions(half=True))
    types_of = {name: tensor.dtype for name, tensor in result.tensors.items()}
    assert types_of["decoder.head.weight"] == torch.float16
    assert types_of["text.token_embedding.weight"] == torch.float32
    assert ClipTextEncoder.open(load(path).config.text).sha256 == result.config.text.sha256


@pytest.mark.parametrize("kind", ["bottleneck", "depthwise"])
def test_a_regulariser_is_what_the_options_say(official: Official, tmp_path: Path, kind: str) -> None:
    state = official(RegularizerConfig(kind="bottleneck", depth=1))
    result, path = converted(state, tmp_path, ConvertOptions(kind, 3, "tanh"))
    assert load(path).config.regularizer == RegularizerConfig.model_validate(
        {"kind": kind, "depth": 3, "activation": "tanh"}
    )
    assert torch.equal(
        result.tensors["regularizer.conv.weight"], state["net.scratch.head_block.depthwise.depthwise.weight"]
    )


def test_a_regulariser_can_be_left_out(official: Official, tmp_path: Path) -> None:
    result, _ = converted(official(RegularizerConfig(kind="depthwise", depth=1)), tmp_path, ConvertOptions("none"))
    assert result.config.regularizer.kind == "none"
    assert "net.scratch.head_block.depthwise.depthwise.bias" in result.dead


@pytest.mark.parametrize(
    ("block", "options", "said"),
    [
        (True, ConvertOptions(), "say as it was trained --block bottleneck"),
        (True, ConvertOptions("depthwise"), "with --block-depth N"),
        (True, ConvertOptions("depthwise", 0), "depth must be at least 1"),
        (True, ConvertOptions("depthwise", 99), "depth cannot be 99"),
        (True, ConvertOptions("boxy", 1), "kind cannot be 'boxy'"),
        (True, ConvertOptions("depthwise", 1, "gelu"), "activation cannot be 'gelu'"),
        (False, ConvertOptions("depthwise", 1), "has no spatial regulariser; leave --block depthwise out"),
    ],
)
def test_options_that_do_not_fit_are_told(
    official: Official, tmp_path: Path, block: bool, options: ConvertOptions, said: str
) -> None:
    regularizer = RegularizerConfig(kind="depthwise", depth=1) if block else None
    with pytest.raises(LsegError, match=said):
        converted(official(regularizer), tmp_path, options)


def test_another_text_encoder_can_be_named(official: Official, tmp_path: Path) -> None:
    name = f"local-dir:{tmp_path / 'clip'}"
    result, path = converted(official(), tmp_path, ConvertOptions(text_encoder=EncoderName(name)))
    assert (result.config.text.name, result.config.text.sha256) == (name, "")
    assert load(path).config.text.weights == ""
    assert "net.clip_pretrained.token_embedding.weight" in result.dead
    with pytest.raises(MismatchError, match="is 512 wide, the checkpoint's pixels 16"):
        converted(official(), tmp_path, ConvertOptions(text_encoder=EncoderName("ViT-B-32-quickgelu")))


def test_a_checkpoint_without_clip_names_its_encoder(
    official: Official, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {key: tensor for key, tensor in official().items() if "clip_pretrained" not in key}
    monkeypatch.setattr("lseg_cli.model.published.conversion.TOWERS_BY_WIDTH", {16: "ViT-B-32-quickgelu"})
    result, path = converted(state, tmp_path)
    assert (result.config.text.name, result.config.text.pretrained) == ("ViT-B-32-quickgelu", "openai")
    with safe_open(path, "pt") as file:
        assert TOWER_KEY not in file.metadata()


def test_an_unknown_clip_model_is_told(official: Official, tmp_path: Path) -> None:
    state = official()
    state["net.clip_pretrained.visual.conv1.weight"] = torch.zeros(32, 3, 3, 3)
    with pytest.raises(MismatchError, match="name it with --text-encoder"):
        converted(state, tmp_path)


def test_unexpected_keys_are_an_error(official: Official, tmp_path: Path) -> None:
    for key in ("net.auxlayer.conv5.0.weight", "net.pretrained.model.blocks.99.norm1.weight", "criterion.weight"):
        with pytest.raises(MismatchError, match=f"1 unexpected tensors, such as {key}"):
            converted(official() | {key: torch.zeros(1)}, tmp_path)


def test_missing_and_misshapen_tensors_are_told(official: Official, tmp_path: Path) -> None:
    state = official()
    del state["net.scratch.layer2_rn.weight"]
    with pytest.raises(DataError, match=r"incomplete: 1 tensors .* such as net\.scratch\.layer2_rn\.weight"):
        converted(state, tmp_path)
    state = official() | {"net.scratch.layer3_rn.weight": torch.zeros(2)}
    with pytest.raises(DataError, match=r"such as net\.scratch\.layer3_rn\.weight"):
        converted(state, tmp_path)


def test_other_projects_and_encoders_are_told(official: Official, tmp_path: Path) -> None:
    state = official()
    mark = "net.pretrained.model.patch_embed.proj.weight"
    with pytest.raises(MismatchError, match="an image encoder that is not known; known are clip_tiny"):
        converted(state | {mark: torch.zeros(1, 3, 8, 8)}, tmp_path)
    with pytest.raises(MismatchError, match=r"of another project: its tensors are called 'model\.layer1\.weight'"):
        converted({"model.layer1.weight": torch.zeros(1)}, tmp_path)


def test_a_model_that_the_original_has_no_names_for_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_model(build(PRESETS["lseg-tiny"]), path)
    with pytest.raises(MismatchError, match="it has no name for"):
        write_original(path, tmp_path / "tiny.ckpt")
    assert not (tmp_path / "tiny.ckpt").exists()


@pytest.mark.parametrize(
    ("mark", "shape", "preset"),
    [
        ("net.pretrained.model.patch_embed.proj.weight", (1024, 3, 16, 16), "lseg-vitl16"),
        ("net.pretrained.model.patch_embed.proj.weight", (768, 3, 32, 32), "lseg-vitb32"),
        ("net.pretrained.layer1.0.weight", (64, 3, 7, 7), "lseg-rn101"),
    ],
)
def test_the_marks_are_tensors_of_the_presets(mark: str, shape: tuple[int, ...], preset: str) -> None:
    (variant,) = [each for each in VARIANTS if (each.key, each.shape) == (mark, shape)]
    assert variant.preset == PRESETS[preset]
    place = {"lseg-rn101": "encoder.backbone.conv1.weight"}.get(preset, "encoder.vit.patch_embed.proj.weight")
    with torch.device("meta"):
        assert tuple(build(variant.preset).state_dict()[place].shape) == shape


def test_towers_are_known_to_open_clip() -> None:
    import open_clip  # noqa: PLC0415  seconds

    known: types.ModuleType = open_clip
    assert set(TOWERS.values()) <= set(known.list_models())
