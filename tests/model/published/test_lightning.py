"""A checkpoint is a pickle, and a pickle is a program: what is read, and what is refused without being run."""

import argparse
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.files import file_sha256
from lseg_cli.model.published.lightning import read_checkpoint

STATE = {"net.scratch.head1.weight": torch.ones(2, 3)}


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Classes of Lightning's under its names while a file is written; gone when it is read."""
    modules = {
        "pytorch_lightning.callbacks.model_checkpoint": ["ModelCheckpoint"],
        "pytorch_lightning.utilities.parsing": ["AttributeDict"],
        "pytorch_lightning.loggers.wandb": ["WandbLogger"],
    }
    found = types.SimpleNamespace()
    with monkeypatch.context() as patch:
        for path, names in modules.items():
            parts = path.split(".")
            for end in range(1, len(parts) + 1):
                patch.setitem(sys.modules, ".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
            for name in names:
                made = type(name, (dict,) if name == "AttributeDict" else (), {"__module__": path})
                setattr(sys.modules[path], name, made)
                setattr(found, name, made)
        yield found
    assert "pytorch_lightning" not in sys.modules


def write(path: Path, content: object, is_old: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not is_old)
    return path


@pytest.mark.parametrize("is_old", [False, True], ids=["zip", "before torch 1.6"])
def test_lightnings_envelope_is_read_without_lightning(tmp_path: Path, lightning: Any, is_old: bool) -> None:
    envelope = {
        "epoch": 199,
        "global_step": 7,
        "pytorch-lightning_version": "1.4.9",
        "callbacks": {lightning.ModelCheckpoint: {"best_model_score": torch.tensor(0.5), "dirpath": "x"}},
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.zeros(2)}}}],
        "hyper_parameters": lightning.AttributeDict(args=argparse.Namespace(lr=0.004)),
    }
    path = write(tmp_path / "a.ckpt", {**envelope, "state_dict": STATE}, is_old)
    for name in [name for name in sys.modules if name.startswith("pytorch_lightning")]:
        del sys.modules[name]
    checkpoint = read_checkpoint(path)
    assert torch.equal(checkpoint.state["net.scratch.head1.weight"], torch.ones(2, 3))
    assert checkpoint.facts == {"epoch": 199, "global_step": 7, "pytorch-lightning_version": "1.4.9"}
    assert checkpoint.left_out == ("callbacks", "optimizer_states", "hyper_parameters")
    assert checkpoint.sha256 == file_sha256(path)


def test_a_bare_state_dict_is_read(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write(tmp_path / "a.pth", STATE))
    assert list(checkpoint.state) == list(STATE)
    assert checkpoint.left_out == ()


class Malicious:
    """Unpickled by a plain `pickle.load`, it would write a file."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.mark.parametrize("is_old", [False, True], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("call", ["eval", "os.system", "Path.touch"])
def test_code_is_refused_and_not_run(tmp_path: Path, call: str, is_old: bool) -> None:
    import os  # noqa: PLC0415
    import pickle  # noqa: PLC0415

    trace = tmp_path / "trace"
    evil = {
        "eval": Malicious(eval, f"open({str(trace)!r}, 'w').close()"),
        "os.system": Malicious(os.system, f"touch {trace}"),
        "Path.touch": Malicious(getattr, trace, "touch"),
    }[call]
    path = write(tmp_path / "a.ckpt", {"state_dict": STATE, "callbacks": {"x": evil}}, is_old)
    with pytest.raises(MismatchError, match="refused and nothing in it was run"):
        read_checkpoint(path)
    assert not trace.exists()
    if call == "eval":
        pickle.loads(pickle.dumps(evil))  # the same object does run where pickle is trusted
        assert trace.exists()


def test_other_classes_of_lightning_are_refused_by_name(tmp_path: Path, lightning: Any) -> None:
    path = write(tmp_path / "a.ckpt", {"state_dict": STATE, "logger": lightning.WandbLogger()})
    with pytest.raises(MismatchError, match=r"it holds pytorch_lightning\.loggers\.wandb\.WandbLogger"):
        read_checkpoint(path)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_file_is_told(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "a.ckpt", {"state_dict": {"net.a": torch.zeros(1000)}})
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"(cut off|damaged): .*Fetch it again\."):
        read_checkpoint(path)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ckpt", {"state_dict": {"net.a": torch.zeros(1000)}})
    data = bytearray(path.read_bytes())
    start = data.index(b"net.a") - 30
    data[start : start + 20] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("missing", DataError, "cannot be read: No such file"),
        ("folder", DataError, "cannot be read"),
        ("empty", MismatchError, "is not a checkpoint"),
        ("text", MismatchError, "is not a checkpoint"),
        ("html", DataError, "is a web page and no checkpoint"),
        ("zip", MismatchError, "is an archive, but torch did not write it"),
        ("safetensors", MismatchError, "is a safetensors file"),
        ("torchscript", MismatchError, "is a TorchScript program and no checkpoint; it was not run"),
        ("list", MismatchError, "holds no model"),
        ("numbers", MismatchError, "holds no model"),
        ("nothing", MismatchError, "holds no model"),
    ],
)
def test_other_files_are_told(tmp_path: Path, kind: str, error: type[LsegError], said: str) -> None:
    path = tmp_path / "a.ckpt"
    texts = {"empty": b"", "text": b"sky, road", "html": b"\n<!DOCTYPE html><html><title>Quota exceeded</title>"}
    saved = {"list": [1, 2], "numbers": {"state_dict": {"a": 1}}, "nothing": {"state_dict": {}}}
    if kind in texts:
        path.write_bytes(texts[kind])
    elif kind in saved:
        write(path, saved[kind])
    elif kind == "folder":
        path.mkdir()
    elif kind in ("zip", "torchscript"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/constants.pkl" if kind == "torchscript" else "readme.txt", b"x")
    elif kind == "safetensors":
        safetensors.torch.save_file(STATE, path)
    with pytest.raises(error, match=said):
        read_checkpoint(path)
