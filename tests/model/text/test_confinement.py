"""What a model's file may name as its text encoder, and TorchScript archives that are read and never run."""

import json
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from lseg_cli.config import ModelConfig, TextConfig
from lseg_cli.errors import DataError, LsegError, MismatchError, MissingError
from lseg_cli.model.archive import ScriptTensors, open_archive
from lseg_cli.model.published.lightning import read_checkpoint
from lseg_cli.model.text.clip import read_text_tower
from lseg_cli.model.text.clip_files import architecture, find_weights
from lseg_cli.model.text.confinement import VARIABLE, confined
from lseg_cli.model.text.labels import open_encoder

MAKE = """
import sys, torch
from torch import Tensor, nn
class Inner(nn.Module):
    mark: str
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))
        self.mark = sys.argv[2]
    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool, str]:
        return (self.w, self.training, self.mark)
    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool, str]) -> None:
        self.w = state[0]
        self.training = state[1]
        self.mark = state[2]
        left = torch.from_file(self.mark, True, 4, dtype=torch.uint8)
        left.fill_(65)
        self.w = left.to(torch.float32)
    def forward(self, x: Tensor) -> Tensor:
        return x + self.w
torch.jit.script(Inner()).save(sys.argv[1])
"""


def named(folder: Path, name: str = "ViT-B-32-quickgelu", pretrained: str = "", kind: str = "open_clip") -> TextConfig:
    """As a model's file in a folder names it."""
    config = TextConfig.model_validate({"kind": kind, "name": name, "pretrained": pretrained, "width": 512})
    return config.found_in(folder / "model.safetensors")


@pytest.mark.parametrize("kind", ["open_clip", "words"])
def test_a_path_outside_the_models_folder_is_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "model", tmp_path / "other"
    inside.mkdir()
    outside.mkdir()
    (outside / "w.safetensors").touch()
    (inside / "link.safetensors").symlink_to(outside / "w.safetensors")
    for path in (str(outside / "w.safetensors"), "../other/w.safetensors", "link.safetensors", "/etc/passwd.pt"):
        with pytest.raises(MismatchError, match="outside its own folder"):
            open_encoder(named(inside, pretrained=path, kind=kind))
    monkeypatch.setenv(VARIABLE, f"words,{outside}")
    assert confined(named(inside, pretrained="link.safetensors", kind=kind)).pretrained == str(
        outside / "w.safetensors"
    )


def test_what_lies_beside_the_model_is_found_whatever_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "w.safetensors").touch()
    assert find_weights(named(tmp_path, pretrained="clip/w.safetensors")) == tmp_path / "clip" / "w.safetensors"
    assert find_weights(named(tmp_path, name="local-dir:clip")) == tmp_path / "clip" / "w.safetensors"


def test_nothing_is_fetched_because_a_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    def fetch(*_: object, **__: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr("open_clip.download_pretrained", fetch)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", fetch)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(MissingError, match="a model's file may not have anything fetched: say so yourself"):
        find_weights(named(tmp_path, pretrained="openai"))
    with pytest.raises(MismatchError, match="would be fetched from the hub"):
        open_encoder(named(tmp_path, name="hf-hub:someone/else"))


def test_a_file_does_not_say_where_it_lies_itself(tmp_path: Path) -> None:
    text = {"kind": "words", "name": "words", "width": 4, "weights": "/etc/passwd", "home": "/"}
    encoder = {"kind": "pyramid", "name": "resnet18", "taps": [1, 2, 3, 4]}
    config = ModelConfig.model_validate({"name": "x", "encoder": encoder, "text": text}).found_in(tmp_path / "m")
    assert (config.text.weights, config.text.home) == ("", str(tmp_path))
    assert "home" not in json.loads(config.model_dump_json())["text"]


@pytest.mark.parametrize("name", ["hf-hub:someone/else", "local-dir:/tmp/x", "../x", "a/b", "", "a" * 200])
def test_an_encoder_is_a_name_of_timm(name: str) -> None:
    with pytest.raises(ValueError, match="encoder"):
        ModelConfig.model_validate(
            {
                "name": "x",
                "encoder": {"kind": "vit", "name": name, "taps": [0, 1, 2, 3]},
                "text": {"kind": "words", "name": "words", "width": 4},
            }
        )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"embed_dim": 8, "text_cfg": {"tokenizer_kwargs": {"trust_remote_code": True}}}, "runs code"),
        ({"embed_dim": 8, "text_cfg": {"width": 10**9}}, "number 1000000000"),
        ({"embed_dim": 8, "text_cfg": {"width": -1}}, "number -1"),
        ({"embed_dim": "8", "text_cfg": {}}, "no embed_dim"),
        ([], "no embed_dim"),
    ],
)
def test_a_configuration_of_open_clip_is_checked_before_it_is_built(tmp_path: Path, content: object, said: str) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps(content))
    with pytest.raises(LsegError, match=said):
        architecture(f"local-dir:{tmp_path}")


def test_a_configuration_larger_than_its_weights_is_not_built(tmp_path: Path) -> None:
    facts = {"embed_dim": 8, "text_cfg": {"width": 100_000, "layers": 100, "heads": 1}, "vision_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(facts))
    (tmp_path / "w.safetensors").write_bytes(bytes(1000))
    with pytest.raises(MismatchError, match="it is smaller than what"):
        open_encoder(TextConfig(kind="open_clip", name=f"local-dir:{tmp_path}", width=8))


def test_a_program_is_read_and_not_run(tmp_path: Path) -> None:
    archive, mark = tmp_path / "evil.pt", tmp_path / "mark"
    (tmp_path / "make.py").write_text(MAKE)  # torch reads the source again
    make = [sys.executable, "-W", "ignore", str(tmp_path / "make.py"), str(archive), str(mark)]
    subprocess.run(make, check=True)
    mark.unlink(missing_ok=True)
    with pytest.raises(MismatchError, match="holds no such text encoder"):
        read_text_tower(archive, {"token_embedding.weight": torch.zeros(3)})
    assert not mark.exists()


def script(path: Path) -> None:
    class Inner(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.arange(6.0).view(2, 3).t())
            self.register_buffer("short", torch.arange(5).half())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    class Outer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x)  # type: ignore[no-any-return]

    trace: Any = torch.jit.trace
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but such files are around
        trace(Outer(), torch.zeros(1)).save(str(path))


def test_tensors_of_a_program_are_those_that_torch_finds(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    script(path)
    tensors = ScriptTensors(path, open_archive(path))
    assert sorted(tensors) == ["inner.short", "inner.weight"]
    assert torch.equal(tensors["inner.weight"], torch.arange(6.0).view(2, 3).t())
    assert tensors["inner.short"].dtype == torch.float16
    assert tensors.shape("inner.short") == (5,)


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch mark",)


def rewritten(path: Path, **members: bytes) -> Path:
    """An archive with other contents of some members, by the ends of their names."""
    other = path.with_name("other.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            key = name.rpartition("/")[2].replace(".", "_")
            new.writestr(name, members.get(key, old.read(name)))
    return other


BOMBS = {
    "system": pickle.dumps(_Evil()),
    "memo": b"\x80\x02N" + b"r" + (2**31 - 1).to_bytes(4, "little") + b".",
    "empty": b"",
    "noise": os.urandom(200),
    "deep": b"\x80\x02" + b"(" * 100_000 + b".",
    "cut": b"\x80\x02c__torch__.A\nB\n",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_hostile_pickles_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pt"
    script(path)
    other = rewritten(path, data_pkl=BOMBS[kind])
    with pytest.raises(MismatchError, match="is damaged"):
        ScriptTensors(other, open_archive(other))
    assert not Path("mark").exists()


def test_a_bomb_of_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(50_000_000))
        archive.writestr("a/constants.pkl", b"")
    with pytest.raises(MismatchError, match="is compressed"):
        open_archive(path)
    with pytest.raises(MismatchError, match="is compressed"):
        read_text_tower(path, {"token_embedding.weight": torch.zeros(3)})


def test_a_zip_that_claims_several_disks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.save({"net.x": torch.zeros(1)}, path)
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    data[end:end] = b"PK\x06\x07" + struct.pack("<LQL", 3, 0, 9)  # Python's is_zipfile raises for it
    path.write_bytes(data)
    with pytest.raises(MismatchError, match="multiple disks"):
        read_text_tower(path, {"token_embedding.weight": torch.zeros(1)})
    with pytest.raises(DataError, match="multiple disks"):
        read_checkpoint(path)


@pytest.mark.parametrize("kind", ["missing", "short"])
def test_storages_that_are_missing_or_short_are_said(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "model.pt", tmp_path / "other.pt"
    script(path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            if "/data/" not in name:
                new.writestr(name, old.read(name))
            elif kind == "short":
                new.writestr(name, old.read(name)[:4])
    tensors = ScriptTensors(other, open_archive(other))
    with pytest.raises(MismatchError, match=r"is damaged at its tensor 'inner\.weight'"):
        tensors["inner.weight"]


def test_a_tensor_that_claims_more_than_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.save({"token_embedding.weight": torch.zeros(1).expand(100_000, 100_000)}, path)
    with pytest.raises(MismatchError, match="claims more numbers than the file holds"):
        read_text_tower(path, {"token_embedding.weight": torch.zeros(1)})


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("w.pt", "w.safetensors"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(MismatchError, match="a named pipe, not a file"):
            read_text_tower(tmp_path / name, {"token_embedding.weight": torch.zeros(1)})
