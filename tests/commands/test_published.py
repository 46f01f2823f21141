"""Published checkpoints from the command line: convert, models, embed and relabel."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lseg_cli.config import RegularizerConfig
from lseg_cli.model.published import zoo
from lseg_cli.model.published.zoo import PUBLISHED, Published
from tests.command_line import lseg

Official = Callable[..., dict[str, torch.Tensor]]
LABELS = "sky,road,other"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with two pictures in `in`, and empty caches; nothing may be fetched."""
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "work"
    (folder / "in" / "sub").mkdir(parents=True)
    monkeypatch.chdir(folder)
    for number, name in enumerate(("in/a.png", "in/sub/b.jpg")):
        noise = np.random.default_rng(number).integers(0, 255, (9, 12, 3), np.uint8)
        Image.fromarray(noise).resize((96, 72), Image.Resampling.BICUBIC).save(name)
    return folder


@pytest.fixture
def checkpoint(official: Official) -> Path:
    torch.save({"state_dict": official(), "lr_schedulers": []}, "demo.ckpt")
    return Path("demo.ckpt")


def masks(folder: str) -> dict[str, Any]:
    found = {}
    for path in sorted(Path(folder, "masks").rglob("*.png")):
        with Image.open(path) as image:
            found[path.relative_to(Path(folder, "masks")).as_posix()] = np.asarray(image)
    return found


def test_a_checkpoint_becomes_a_model_that_needs_no_download(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lseg("convert", checkpoint, "-o", "m.safetensors", "--json") == 0
    said = capsys.readouterr()
    event = json.loads(said.out)
    assert (event["event"], event["variant"], event["left_out"]) == ("converted", "clip_tiny", ["lr_schedulers"])
    assert "net.scratch.head1.weight" in event["used"]
    assert "net.pretrained.model.norm.weight" in event["dead"]
    assert "Dead by design:" in said.err
    assert lseg("segment", "in", "-l", LABELS, "-m", "m.safetensors") == 0
    assert len(masks("out")) == 2
    assert json.loads(Path("out/labels.json").read_text())["encoder"]["sha256"] == event["config"]["text"]["sha256"]
    assert lseg("info", "m.safetensors") == 0
    facts = capsys.readouterr().out
    assert "(open_clip), in this file" in facts
    assert "demo.ckpt of lang-seg (clip_tiny), sha256 " in facts


def test_an_exported_model_takes_its_words_from_the_cache(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("convert", checkpoint, "-q") == 0
    assert lseg("segment", "in", "-l", LABELS, "-m", "demo.safetensors", "-o", "one") == 0
    # Without the text tower that else lies beside.
    options = ("--dynamic-size", "--no-verify", "--no-text-encoder")
    assert lseg("export", "demo.safetensors", "-o", "demo.onnx", *options) == 0
    assert str(Path.cwd()) not in Path("demo.onnx").read_bytes().decode("latin-1")
    assert lseg("segment", "in", "-l", LABELS, "-m", "demo.onnx", "-o", "two") == 0
    one, two = masks("one"), masks("two")
    assert all((one[name] == two[name]).mean() > 0.99 for name in one)
    capsys.readouterr()
    assert lseg("segment", "in", "-l", "a new word,sky", "-m", "demo.onnx", "-o", "three") == 6
    assert "There are no weights of the text encoder" in capsys.readouterr().err


def test_every_key_is_told_when_asked(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("convert", checkpoint, "-v") == 0
    told = capsys.readouterr().err
    assert "used  net.scratch.head1.weight" in told
    assert "dead  net.clip_pretrained.logit_scale" in told


def test_the_way_back(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("convert", checkpoint, "-o", "m.safetensors", "--keep-dead") == 0
    assert lseg("convert", "m.safetensors", "--to-original") == 0
    back, there = (torch.load(path, weights_only=True)["state_dict"] for path in ("m.ckpt", checkpoint))
    assert set(back) == set(there)
    assert all(torch.equal(tensor, there[key]) for key, tensor in back.items())
    assert "m.ckpt: the original project's layout" in capsys.readouterr().err


def test_a_regulariser_is_asked_for(official: Official, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": official(RegularizerConfig(kind="depthwise", depth=1))}, "a.ckpt")
    assert lseg("convert", "a.ckpt") == 2
    assert "--block bottleneck" in capsys.readouterr().err
    assert not Path("a.safetensors").exists()
    assert lseg("convert", "a.ckpt", "--block", "depthwise", "--block-depth", "1") == 0
    assert "depthwise regulariser, 1 deep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["missing.ckpt"], 4, "missing.ckpt cannot be read: No such file"),
        (["in/a.png"], 5, "in/a.png is not a checkpoint"),
        (["demo.ckpt", "-o", "demo.onnx"], 2, "its name must end with .safetensors"),
        (["demo.ckpt", "-o", "in/a.png"], 2, "in/a.png is there already; use --overwrite"),
        (["demo.ckpt", "-o", "in/a.png/m.safetensors"], 2, "cannot be written"),
        (["demo.ckpt", "--to-original", "-o", "b.ckpt"], 4, "is not a whole safetensors file"),
        (["demo.ckpt", "--text-encoder", "ViT-B32"], 2, "open_clip knows no text encoder ViT-B32"),
    ],
)
def test_what_cannot_be_converted_is_told(
    checkpoint: Path, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkpoint.exists()
    assert lseg("convert", *arguments) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("lseg: ")
    assert error.count("\n") == 1


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("models") == 0
    table = capsys.readouterr().out
    for name in ("lseg-tiny", "lseg-vitl16", *PUBLISHED):
        assert f"\n{name} " in table
    assert lseg("models", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["pascal-fold1"]["miou"] == 53.8
    assert rows["demo"]["drive_id"] == "1FTuHY1xPUkM-5gaDtMfgCl3D0gR89WV7"
    assert rows["demo"]["state"] == "lseg models pull demo"
    assert rows["lseg-tiny"]["state"] == "here"


def test_a_pulled_model_is_used_by_its_name(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mini = Published("mini", "clip_tiny", "lseg-vitb32", "nothing", None, "id")
    monkeypatch.setitem(zoo.PUBLISHED, "mini", mini)
    assert lseg("segment", "in", "-l", LABELS, "-m", "mini") == 6
    assert "run lseg models pull mini" in capsys.readouterr().err
    assert lseg("models", "pull", "mini", "--url", checkpoint) == 0
    assert lseg("segment", "in", "-l", LABELS, "-m", "mini") == 0
    assert lseg("models", "pull", "mini", "--url", checkpoint) == 0
    assert "mini is here already" in capsys.readouterr().err
    assert lseg("models", "--json") == 0
    row = next(row for row in json.loads(capsys.readouterr().out) if row["name"] == "mini")
    assert row["state"] == "here"
    assert "sha256" in row["origin"]
    mini.path.write_bytes(b"x")
    assert lseg("models") == 0
    assert "damaged: lseg models pull mini --overwrite" in capsys.readouterr().out


def test_pull_offline_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert lseg("--offline", "models", "pull", "demo") == 6
    assert "cannot be fetched with --offline" in capsys.readouterr().err
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert lseg("models", "pull", "nothing") == 2


@pytest.mark.parametrize("options", [(), ("--stride", "2"), ("--format", "npy")])
def test_embed_and_relabel_give_the_masks_of_segment(
    checkpoint: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert lseg("convert", checkpoint, "-q") == 0
    Path("in/broken.png").write_bytes(b"no picture")
    assert lseg("embed", "in", "-m", "demo.safetensors", "-o", "feats", *options) == 3
    assert "1 of 3 pictures failed" in capsys.readouterr().err
    Path("in/broken.png").unlink()
    assert lseg("relabel", "feats", "-l", LABELS, "-o", "new", "--save", "overlay,conf") == 0
    assert lseg("segment", "in", "-l", LABELS, "-m", "demo.safetensors", "-o", "old") == 0
    new, old = masks("new"), masks("old")
    assert set(new) == set(old) == {"a.png", "sub/b.png"}
    assert all((new[name] == old[name]).mean() > 0.99 for name in old)
    assert Path("new/overlays/sub/b.jpg").exists()
    assert Path("new/conf/a.png").exists()
    lines = Path("new/results.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["share"].keys() == {"sky", "road", "other"}
    assert json.loads(Path("new/run.json").read_text())["counts"] == {
        "found": 2, "done": 2, "failed": 0, "done_before": 0,
    }  # fmt: skip
    assert json.loads(Path("feats/run.json").read_text())["exit_code"] == 3


def test_a_broken_embedding_costs_itself_alone(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("convert", checkpoint, "-q") == 0
    assert lseg("embed", "in", "-m", "demo.safetensors", "-o", "feats", "-q") == 0
    Path("feats/embeddings/a.safetensors").write_bytes(b"x")
    assert lseg("relabel", "feats", "-l", LABELS, "--json") == 3
    kinds = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["start", "failed", "done", "end"]
    Path("feats/embeddings/sub/b.safetensors").write_bytes(b"x")
    assert lseg("relabel", "feats", "-l", LABELS, "--overwrite") == 4


def test_a_model_that_moved_can_be_named(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("convert", checkpoint, "-q") == 0
    assert lseg("embed", "in", "-m", "demo.safetensors", "-o", "feats", "-q") == 0
    Path("demo.safetensors").rename("moved.safetensors")
    assert lseg("relabel", "feats", "-l", LABELS) == 6
    assert "There are no weights of the text encoder" in capsys.readouterr().err
    assert lseg("relabel", "feats", "-l", LABELS, "-m", "moved.safetensors", "--overwrite") == 0
    assert lseg("relabel", "feats", "-l", LABELS, "-m", "lseg-tiny", "--overwrite") == 5
    assert "take the model that made them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["embed", "in", "--stride", "3"], 2, "'--stride': '3' is not one of"),
        (["embed", "in", "--format", "csv"], 2, "'--format': 'csv' is not one of"),
        (["embed", "nowhere"], 2, "There is no file or folder 'nowhere'"),
        (["relabel", "in", "-l", LABELS], 4, "There is no embedding in in"),
        (["relabel", "nowhere", "-l", LABELS], 2, "There is no file or folder 'nowhere'"),
    ],
)
def test_what_cannot_be_embedded_is_told(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lseg(*arguments) == code
    assert said in capsys.readouterr().err
