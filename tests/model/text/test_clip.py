import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from lseg_cli.config import TextConfig
from lseg_cli.errors import LsegError, MismatchError, MissingError
from lseg_cli.model.text import clip_files
from lseg_cli.model.text.cache import EmbeddingCache
from lseg_cli.model.text.clip import ClipTextEncoder, tower_sha256
from lseg_cli.model.text.labels import embed_labels

TEXTS = ["sky", "a road", "traffic light"]
TINY = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 2},
    "text_cfg": {"context_length": 10, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def write_folder(folder: Path, model: dict[str, Any] = TINY) -> TextConfig:
    """A folder of open_clip's without weights, and the configuration that names it."""
    folder.mkdir(exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": {}}))
    return TextConfig(kind="open_clip", name=f"local-dir:{folder}", width=16)


def whole_model(config: TextConfig) -> Any:
    """open_clip's own model with random weights: what the encoder is compared with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import open_clip  # noqa: PLC0415  seconds

        torch.manual_seed(0)
        return open_clip.create_model(config.name, load_weights=False).eval()


def features(model: Any) -> "np.ndarray[Any, np.dtype[np.float32]]":
    import open_clip  # noqa: PLC0415

    tokens = open_clip.tokenize(TEXTS, context_length=10)
    with torch.inference_mode():
        rows: torch.Tensor = model.encode_text(tokens, normalize=True)
    return rows.numpy()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return whole_model(write_folder(tmp_path_factory.mktemp("model")))


@pytest.fixture
def config(tmp_path: Path, model: Any) -> TextConfig:
    config = write_folder(tmp_path / "clip")
    safetensors.torch.save_file(model.state_dict(), tmp_path / "clip" / "open_clip_model.safetensors")
    return config


def test_the_tower_does_what_open_clip_does(config: TextConfig, model: Any) -> None:
    encoder = ClipTextEncoder.open(config)
    assert (encoder.width, encoder.context_length) == (16, 10)
    rows = encoder.embed(TEXTS)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, features(model), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_many_texts_and_none(config: TextConfig) -> None:
    encoder = ClipTextEncoder.open(config)
    assert encoder.embed([]).shape == (0, 16)
    many = [f"thing {number}" for number in range(130)]
    np.testing.assert_allclose(encoder.embed(many)[-1], encoder.embed(many[-1:])[0], atol=1e-6)


def test_tokens_are_counted(config: TextConfig) -> None:
    encoder = ClipTextEncoder.open(config)
    assert [encoder.token_count(text) for text in TEXTS] == [3, 4, 4]
    _, notices = embed_labels([["sky"], ["one two three four five six seven eight nine"]], config, None)
    assert notices == [
        "'one two three four five six seven eight nine' is cut: it has 11 tokens and the text encoder reads 10."
    ]


def test_only_a_frozen_text_tower_is_kept(config: TextConfig) -> None:
    tower: Any = ClipTextEncoder.open(config).tower
    assert not hasattr(tower, "visual")
    assert not tower.training
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    assert {parameter.dtype for parameter in tower.parameters()} == {torch.float32}


def test_loading_leaves_no_trace(config: TextConfig) -> None:
    before = (torch.get_rng_state(), list(logging.getLogger().handlers), logging.root.manager.disable)
    ClipTextEncoder.open(config)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (logging.getLogger().handlers, logging.root.manager.disable)


@pytest.mark.parametrize("layout", ["tower.safetensors", "half.safetensors", "state.pt", "training.pt", "archive.pt"])
@pytest.mark.parametrize("prefix", ["", "module.", "net.clip_pretrained."])
def test_files_of_many_layouts_hold_the_same_tower(
    tmp_path: Path,
    model: Any,
    layout: str,
    prefix: str,
) -> None:
    state = {prefix + name: tensor for name, tensor in model.state_dict().items() if not name.startswith("visual.")}
    file = tmp_path / layout
    if layout == "archive.pt":
        save_archive(file, state)
    elif file.suffix == ".pt":
        torch.save({"epoch": 3, "state_dict": state} if layout == "training.pt" else state, file)
    else:
        safetensors.torch.save_file(
            {name: tensor.half() if layout == "half.safetensors" else tensor for name, tensor in state.items()}, file
        )
    encoder = ClipTextEncoder.open(
        write_folder(tmp_path / "clip").model_copy(update={"pretrained": str(file)}),
    )
    tolerance = 1e-2 if layout == "half.safetensors" else 1e-6
    np.testing.assert_allclose(encoder.embed(TEXTS), features(model), atol=tolerance)


def save_archive(file: Path, state: dict[str, torch.Tensor]) -> None:
    """TorchScript, as OpenAI publishes it: modules that hold these tensors and do nothing."""
    root = torch.nn.Module()
    for name, tensor in state.items():
        *path, leaf = name.split(".")
        place = root
        for part in path:
            if not hasattr(place, part):
                place.add_module(part, torch.nn.Module())
            place = place.get_submodule(part)
        place.register_buffer(leaf, tensor)
    script: Any = torch.jit.script
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but such files are around
        script(root).save(str(file))


def test_a_tower_of_its_own_is_read_from_both_layouts(tmp_path: Path, model: Any) -> None:
    config = write_folder(tmp_path / "custom", {**TINY, "custom_text": True})
    custom = whole_model(config)
    for number, state in enumerate((custom.state_dict(), model.state_dict())):
        file = tmp_path / f"{number}.safetensors"
        safetensors.torch.save_file(state, file)
        encoder = ClipTextEncoder.open(config.model_copy(update={"pretrained": str(file)}))
        np.testing.assert_allclose(encoder.embed(TEXTS), features((custom, model)[number]), atol=1e-6)


def test_the_hash_names_weights_and_activation(model: Any) -> None:
    tensors = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("ln_final")}
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    changed = {name: tensor + (name == "ln_final.bias") for name, tensor in tensors.items()}
    turned = dict(reversed(tensors.items()))
    assert tower_sha256(turned, True) == tower_sha256(tensors, True)
    assert tower_sha256({name: half.float() for name, half in halves.items()}, True) == tower_sha256(halves, True)
    hashes = {tower_sha256(tensors, True), tower_sha256(tensors, False), tower_sha256(changed, True)}
    assert len(hashes) == 3


def test_the_activation_follows_the_architecture(tmp_path: Path, config: TextConfig) -> None:
    exact = write_folder(tmp_path / "exact", {**TINY, "quick_gelu": False})
    file = str(tmp_path / "clip" / "open_clip_model.safetensors")
    one, other = ClipTextEncoder.open(config), ClipTextEncoder.open(exact.model_copy(update={"pretrained": file}))
    assert one.sha256 != other.sha256
    assert np.abs(one.embed(TEXTS) - other.embed(TEXTS)).max() > 1e-6


def test_a_changed_file_is_opened_again(tmp_path: Path, config: TextConfig, model: Any) -> None:
    cache = EmbeddingCache(tmp_path / "text")
    first, _ = embed_labels([["sky"]], config, cache)
    state = {name: tensor * 1.5 if "ln_final.bias" in name else tensor for name, tensor in model.state_dict().items()}
    state["ln_final.bias"] = state["ln_final.bias"] + 1
    safetensors.torch.save_file(state, tmp_path / "clip" / "open_clip_model.safetensors", {"time": "later"})
    second, _ = embed_labels([["sky"]], config, cache)
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize(
    "kind", ["empty.safetensors", "cut.safetensors", "empty.pt", "cut.pt", "text.pt", "list.pt", "zip.pt"]
)
def test_broken_files_are_told(tmp_path: Path, kind: str) -> None:
    config = write_folder(tmp_path / "clip").model_copy(update={"pretrained": str(tmp_path / kind)})
    file = tmp_path / kind
    torch.save({"token_embedding.weight": torch.zeros(100)}, tmp_path / "whole.pt")
    safetensors.torch.save_file({"token_embedding.weight": torch.zeros(100)}, tmp_path / "whole.safetensors")
    whole = (tmp_path / f"whole{file.suffix}").read_bytes()
    contents = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"not weights", "zip": b"PK\x05\x06" + bytes(18)}
    if file.stem == "list":
        torch.save([1, 2], file)
    else:
        file.write_bytes(contents[file.stem])
    with pytest.raises(MismatchError, match="cannot be read as weights"):
        ClipTextEncoder.open(config)


def test_weights_of_another_architecture_are_told(tmp_path: Path, config: TextConfig) -> None:
    file = str(tmp_path / "clip" / "open_clip_model.safetensors")
    for change, said in (({"layers": 3}, "holds no such text encoder"), ({"width": 64}, "another text encoder")):
        text = {**TINY["text_cfg"], **change}  # type: ignore[dict-item]
        other = write_folder(tmp_path / "other", {**TINY, "text_cfg": text}).model_copy(update={"pretrained": file})
        with pytest.raises(MismatchError, match=said):
            ClipTextEncoder.open(other)


def clip(name: str = "ViT-B-32-quickgelu", pretrained: str = "openai") -> TextConfig:
    return TextConfig(kind="open_clip", name=name, pretrained=pretrained, width=512)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (clip(name="ViT-B32"), "no text encoder ViT-B32; similar names are ViT-B-32"),
        (clip(pretrained="opena"), "known are openai"),
        (clip(pretrained=""), "known are openai"),
        (clip(pretrained="somewhere/x.safetensors"), "at somewhere/x.safetensors"),
        (clip(name="local-dir:nowhere", pretrained=""), "at nowhere"),
    ],
)
def test_unknown_names_are_told(wrong: TextConfig, said: str) -> None:
    with pytest.raises(LsegError, match=said):
        ClipTextEncoder.open(wrong)


def test_a_folder_without_a_configuration_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(LsegError, match=r"no readable open_clip_config\.json"):
        ClipTextEncoder.open(clip(name=f"local-dir:{tmp_path}", pretrained=""))


def refuse(*_: object, **__: object) -> Any:
    raise ConnectionError("no network in tests")


@pytest.fixture
def lonely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No hub, and empty folders where weights could lie; returns the one for weights put there by hand."""
    import huggingface_hub  # noqa: PLC0415
    import open_clip  # noqa: PLC0415

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(open_clip, "download_pretrained", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "clip").mkdir(parents=True)
    return tmp_path / "cache" / "clip"


@pytest.mark.parametrize("name", ["ViT-B-32-quickgelu", "ViT-B-16-quickgelu", "RN50x4-quickgelu", "RN50x16-quickgelu"])
def test_without_network_the_way_out_is_told(lonely: Path, name: str) -> None:
    with pytest.raises(MissingError) as caught:
        ClipTextEncoder.open(clip(name))
    sentence = str(caught.value)
    assert caught.value.exit_code == 6
    assert f"{name}/openai" in sentence
    assert "HF_HUB_OFFLINE" in sentence
    assert "open_clip_model.safetensors of https://huggingface.co/timm/" in sentence
    assert sentence.endswith(f"save it as {lonely}/{name}-openai.safetensors.")


def test_weights_put_by_hand_are_found(lonely: Path) -> None:
    for suffix in (".pt", ".safetensors"):
        file = lonely / f"ViT-B-32-quickgelu-openai{suffix}"
        assert str(file) not in clip_files.encoder_key(clip())
        file.touch()
        assert clip_files.find_weights(clip()) == file
        assert clip_files.encoder_key(clip())[2].startswith(f"{file} 0 ")


def test_the_file_of_openais_own_package_is_found(lonely: Path) -> None:
    file = lonely.parent.parent / ".cache" / "clip" / "ViT-B-32.pt"
    file.parent.mkdir(parents=True)
    file.touch()
    assert clip_files.find_weights(clip()) == file


def test_the_hub_is_asked_for_safetensors_first(monkeypatch: pytest.MonkeyPatch, lonely: Path) -> None:
    import huggingface_hub  # noqa: PLC0415

    def info(*_: object, **__: object) -> Any:
        files = [{"rfilename": "open_clip_pytorch_model.bin"}, {"rfilename": "open_clip_model.safetensors"}]
        made: Any = huggingface_hub.ModelInfo
        return made(id="x", siblings=files)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, name: str(lonely / repo / name))
    path = "timm/vit_base_patch32_clip_224.openai/open_clip_model.safetensors"
    assert clip_files.find_weights(clip()) == lonely / path
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, name: f"/cached/{repo}/{name}")
    other = clip(name="hf-hub:some/repo", pretrained="")
    assert clip_files.find_weights(other) == Path("/cached/some/repo/open_clip_model.safetensors")
