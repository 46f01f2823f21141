"""Numbers of the original implementation, one for one: needs its reference figures, which are not shipped.

A checkpoint is written as its recipe says, in Lightning's envelope, converted, and run. The large ones take minutes and
gigabytes each: `LSEG_REFERENCE_ALL=1` runs them too.
"""

import importlib.util
import json
import os
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from lseg_cli.config import ModelConfig
from lseg_cli.evaluation.windows import Windowed, WindowPlan
from lseg_cli.model.checkpoint import load_model
from lseg_cli.model.correlation import correlate, unit_upsample
from lseg_cli.model.decoder import upsample2
from lseg_cli.model.lseg import LSeg
from lseg_cli.model.published.conversion import ConvertOptions, convert, write_model
from lseg_cli.model.published.lightning import read_checkpoint
from lseg_cli.model.published.reversion import write_original
from lseg_cli.model.text.clip import ClipTextEncoder
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.torch_engine import TorchEngine
from lseg_export.onnx_file import export_onnx
from lseg_export.options import GraphOptions

ROOT = Path(os.environ.get("LSEG_REFERENCE", ""))
VITB32, RN101 = "clip_vitb32_384_arch0", "zs_clip_resnet101"
LARGE = {
    "clip_vitl16_384_arch0": ConvertOptions(keep_dead=True),
    "clip_vitl16_384_arch1": ConvertOptions("bottleneck", 2, keep_dead=True),
    "clip_vitl16_384_arch2": ConvertOptions("depthwise", 2, keep_dead=True),
    "clipRN50x16_vitl16_384_arch0": ConvertOptions(keep_dead=True),
    "zs_clip_vitl16_384": ConvertOptions(keep_dead=True),
}
NAMES = {"clipRN50x16_vitl16_384_arch0": "clipRN50x16_vitl16_384", VITB32: "clip_vitb32_384", RN101: "clip_resnet101"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "LSEG_REFERENCE" not in os.environ, reason="LSEG_REFERENCE names no folder with figures of the original"
    ),
]
needs_time = pytest.mark.skipif(
    "LSEG_REFERENCE_ALL" not in os.environ, reason="minutes and gigabytes: only with LSEG_REFERENCE_ALL=1"
)


def script(name: str) -> Any:
    """A script of that folder as a module; `check` imports `recipe` by its name."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def original_state(variant: str) -> dict[str, Tensor]:
    manifest = json.loads((ROOT / "manifests" / f"{variant}.json").read_text(encoding="utf-8"))["state_dict"]
    state: dict[str, Tensor] = script("recipe").state_dict(manifest)
    return state


def write_checkpoint(path: Path, state: dict[str, Tensor]) -> None:
    """As Lightning 1.4 writes it: a class is a key of `callbacks`."""
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    callback = type("ModelCheckpoint", (), {"__module__": module.__name__})
    packages = {name: types.ModuleType(name) for name in ("pytorch_lightning", "pytorch_lightning.callbacks")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ModelCheckpoint", callback, raising=False)
        for name, fake in (*packages.items(), (module.__name__, module)):
            patch.setitem(sys.modules, name, fake)
        envelope = {"epoch": 199, "global_step": 7, "pytorch-lightning_version": "1.4.9", "optimizer_states": [{}]}
        records = {callback: {"best_model_score": torch.tensor(0.5), "dirpath": "checkpoints"}}
        torch.save({**envelope, "state_dict": state, "callbacks": records}, path)


@dataclass
class Converted:
    """A variant of the original, and what was made of it."""

    variant: str
    path: Path
    model: LSeg
    checkpoint: Path
    state: dict[str, Tensor]


def make(variant: str, options: ConvertOptions, folder: Path) -> Converted:
    state = original_state(variant)
    checkpoint, path = folder / "original.ckpt", folder / "model.safetensors"
    write_checkpoint(checkpoint, state)
    result = convert(read_checkpoint(checkpoint), options)
    assert result.variant == NAMES.get(variant, "clip_vitl16_384")
    assert set(result.used) | set(result.dead) == set(state)
    write_model(result, path)
    return Converted(variant, path, load_model(path), checkpoint, state)


@pytest.fixture(scope="module", params=[VITB32, RN101])
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Converted]:
    folder = tmp_path_factory.mktemp("official")
    yield make(request.param, ConvertOptions(keep_dead=True), folder)
    for file in folder.iterdir():  # pytest would keep gigabytes
        file.unlink()


def inputs(variant: str, run: str) -> tuple[Tensor, Tensor]:
    recipe = script("recipe")
    height, width = (320, 416) if "320x416" in run else (480, 480)
    is_zero_shot = variant.startswith("zs_")
    text = recipe.text(3, 512)[[0, 1 + int(run[1])]] if is_zero_shot else recipe.text(int(run[1]), 512)
    return recipe.normalise(recipe.image(height, width), "imagenet" if variant == RN101 else "half"), text


def runs(variant: str) -> tuple[str, ...]:
    return ("n3", "n7", "n3_320x416") if variant == VITB32 else ("c0", "c1", "c0_320x416")


def assert_same(state: dict[str, Tensor], back: dict[str, Tensor]) -> None:
    assert state.keys() == back.keys()
    assert [key for key, tensor in state.items() if not torch.equal(tensor, back[key])] == []


@torch.no_grad()
def test_logits_are_those_of_the_original(converted: Converted) -> None:
    for run in runs(converted.variant):
        figures = script("check").compare(converted.variant, run, converted.model(*inputs(converted.variant, run)))
        assert figures["ok"], (run, figures)


@torch.no_grad()
def test_every_step_is_that_of_the_original(converted: Converted) -> None:
    script("recipe")
    check, model = script("check"), converted.model
    for run in runs(converted.variant):
        seen = record(model, *inputs(converted.variant, run))
        expected = check.intermediates(converted.variant, run)
        if not expected:
            continue
        assert set(expected) <= set(seen), set(expected) - set(seen)
        for name, (shape, _, _, positions, values) in expected.items():
            got = seen[name]
            assert tuple(got.shape) == shape, (name, got.shape, shape)
            difference = (got.flatten()[positions] - values).abs().max().item()
            limit = 1e-4 * max(1.0, values.abs().max().item())  # features are not logits: their scale is their own
            assert difference <= limit, (run, name, difference)


def record(model: LSeg, pixels: Tensor, text: Tensor) -> dict[str, Tensor]:
    """Tensors on the way, by the names of the reference."""
    seen: dict[str, Tensor] = {}
    handles = []

    def note(module: torch.nn.Module, name: str, upsampled: bool = False) -> None:
        def keep(_module: object, _inputs: object, output: Tensor) -> None:
            seen[name] = upsample2(output) if upsampled else output

        handles.append(module.register_forward_hook(keep))

    encoder, decoder = model.encoder, model.decoder
    if hasattr(encoder, "vit"):
        vit: Any = encoder.vit
        note(vit.norm_pre, "tokens_in")
        for index, block in enumerate(vit.blocks):
            note(block, f"vit_block_{index}")
        seen["patch_embed"] = vit.patch_embed.proj(pixels)
    for level, (project, fuse) in enumerate(zip(decoder.project, decoder.fuse, strict=True), 1):  # type: ignore[arg-type]
        note(project, f"layer_{level}_rn")
        note(fuse, f"path_{level}", upsampled=True)
    levels: list[Tensor] = encoder(pixels)
    features = decoder(levels)
    for handle in handles:
        handle.remove()
    for level, tensor in enumerate(levels, 1):
        seen[f"layer_{level}"] = tensor
    seen["head1"] = upsample2(features)
    seen["image_features_normalised"] = unit_upsample(features).permute(0, 2, 3, 1)
    seen["logits_before_upsampling"] = correlate(features, text)
    return seen


def test_there_and_back_again_is_exact(converted: Converted, tmp_path: Path) -> None:
    back = tmp_path / "back.ckpt"
    assert write_original(converted.path, back) == []
    again = read_checkpoint(back)
    assert_same(converted.state, again.state)
    assert again.facts == read_checkpoint(converted.checkpoint).facts
    back.unlink()


def test_the_exported_file_has_the_same_logits(converted: Converted, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(converted.path, path, GraphOptions(size=(480, 480)))
    assert OnnxEngine.open(path, "cpu").spec.model.text.weights == ""
    graph = onnx.load(path)
    # The reference's picture is no picture of bytes: the graph, which makes floats of them first, gets it as floats.
    graph.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(graph, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = (script("recipe").image(480, 480) * 255).permute(0, 2, 3, 1).contiguous().numpy()
    for run in runs(converted.variant)[:2]:
        text = inputs(converted.variant, run)[1].numpy()
        logits = torch.from_numpy(session.run(["logits"], {"image": image, "text": text})[0])
        figures = script("check").compare(converted.variant, run, logits)
        assert figures["ok"], (run, figures)
    path.unlink()


def test_the_text_tower_in_the_file_gives_the_original_features(converted: Converted) -> None:
    if converted.variant != VITB32:
        pytest.skip("the reference has text features of one tower")
    config: ModelConfig = converted.model.config
    encoder = ClipTextEncoder.open(config.text)
    assert encoder.sha256 == config.text.sha256
    reference = np.load(ROOT / "ref" / "text_tower_vitb32.npz")
    features = reference["features"] / np.linalg.norm(reference["features"], axis=1, keepdims=True)
    assert np.abs(encoder.embed([str(label) for label in reference["labels"]]) - features).max() <= 1e-4


def test_the_evaluator_sees_what_the_original_sees(converted: Converted) -> None:
    if converted.variant != VITB32:
        pytest.skip("the reference was made with one model")
    reference = np.load(ROOT / "ref" / f"multiscale_{VITB32}.npz")
    recipe = script("recipe")
    picture = (recipe.image(300, 400)[0].permute(1, 2, 0) * 255).numpy()
    engine = TorchEngine(converted.model, sha256="", device="cpu")
    at = tuple(reference["scores/pos"].astype(int).T)
    plan = WindowPlan(scales=(0.75, 1.0, 1.25))  # those of the reference
    total = np.zeros(tuple(reference["scores/shape"][1:]), np.float32)
    for scale in plan.scales:
        one = Windowed(engine, recipe.text(3, 512).numpy(), replace(plan, scales=(scale,))).scores(picture)
        assert np.abs(one[at] - reference[f"scale_{scale}/val"]).max() <= 1e-3, scale
        total += one
    assert np.abs(total[at] - reference["scores/val"]).max() <= 1e-3
    sure = reference["scores/margin8"] > 1e-2
    assert (total.argmax(0)[::8, ::8] == reference["scores/argmax8"])[sure].all()


@needs_time
@pytest.mark.parametrize("variant", LARGE)
def test_large_variants_convert_run_and_come_back(variant: str, tmp_path: Path) -> None:
    large = make(variant, LARGE[variant], tmp_path)
    with torch.no_grad():
        pixels = inputs(variant, "c0" if variant.startswith("zs_") else "n3")[0]
        logits = large.model(pixels, torch.randn(3, large.model.config.text.width))
    assert logits.shape == (1, 3, 480, 480)
    assert torch.isfinite(logits).all()
    back = tmp_path / "back.ckpt"
    write_original(large.path, back)
    assert_same(large.state, read_checkpoint(back).state)
    for file in tmp_path.iterdir():
        file.unlink()
