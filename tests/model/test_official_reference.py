"""Logits of the original implementation, number for number: needs its reference figures, which are not shipped."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from lseg_cli.config import PRESETS
from lseg_cli.model.lseg import LSeg, build
from lseg_cli.model.official import translate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "LSEG_REFERENCE" not in os.environ, reason="LSEG_REFERENCE names no folder with figures of the original"
    ),
]
ROOT = Path(os.environ.get("LSEG_REFERENCE", ""))
VITB32, RN101 = "clip_vitb32_384_arch0", "zs_clip_resnet101"


def script(name: str) -> Any:
    """A script of that folder as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=[(VITB32, "lseg-vitb32"), (RN101, "lseg-rn101")], ids=lambda pair: pair[1])
def original(request: pytest.FixtureRequest) -> tuple[str, LSeg]:
    """A variant of the original and our model with its weights."""
    variant, preset = request.param
    manifest = json.loads((ROOT / "manifests" / f"{variant}.json").read_text(encoding="utf-8"))["state_dict"]
    state = script("recipe").state_dict({key: shape for key, shape in manifest.items() if "clip_pretrained" not in key})
    ours, unknown = translate(state)
    assert unknown == []
    with torch.device("meta"):
        model = build(PRESETS[preset])
    model.load_state_dict(ours, strict=True, assign=True)
    return variant, model.eval()


@torch.no_grad()
def test_logits_are_those_of_the_original(original: tuple[str, LSeg]) -> None:
    variant, model = original
    recipe, check = script("recipe"), script("check")
    for run in ("n3", "n7", "n3_320x416") if variant == VITB32 else ("c0", "c1", "c0_320x416"):
        height, width = (320, 416) if "320x416" in run else (480, 480)
        text = recipe.text(int(run[1]), 512) if variant == VITB32 else recipe.text(3, 512)[[0, 1 + int(run[1])]]
        pixels = recipe.normalise(recipe.image(height, width), "half" if variant == VITB32 else "imagenet")
        figures = check.compare(variant, run, model(pixels, text), atol=1e-4)
        assert figures["ok"], (run, figures)
