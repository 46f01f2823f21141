"""One file of each format that leaves a mark where it is opened by what trusts it: read here, it leaves none.

TorchScript archives (`tests/model/text/test_confinement.py`), TensorRT engines with code
(`tests/engines/tensorrt/test_engine.py`), names in tables and pages (`tests/evaluation/test_report_files.py`,
`tests/results/test_formats.py`, `tests/commands/test_report.py`) and journals
(`tests/runs/test_folder_run.py`) have theirs elsewhere.
"""

import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from PIL import EpsImagePlugin, Image

from lseg_cli.config import EncoderConfig, ModelConfig, TextConfig
from lseg_cli.data.fold_lists import read_classwise
from lseg_cli.data.images import open_image
from lseg_cli.data.labels import LabelSet
from lseg_cli.data.masks import read_mask
from lseg_cli.data.packed_masks import PackedMasks
from lseg_cli.data.sets.folder import read_description
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.drawing.palette import recolored
from lseg_cli.errors import LsegError
from lseg_cli.evaluation.labelling import read_label_map
from lseg_cli.importing.kinds import read_source
from lseg_cli.importing.options import ImportOptions
from lseg_cli.inference.embedding import EmbeddingInfo, read_embedding
from lseg_cli.model.published.lightning import read_checkpoint
from lseg_cli.model.text.clip import read_text_tower
from lseg_cli.model.text.labels import open_encoder
from lseg_cli.training.recipe import parse_settings, read_recipe
from lseg_cli.training.vocabulary import read_synonyms
from lseg_engines.ort.engine import OnnxEngine

TOWER = {"token_embedding.weight": torch.zeros(4, 3)}
MODEL = ModelConfig(
    name="x",
    encoder=EncoderConfig(kind="pyramid", name="test_efficientnet", taps=(1, 2, 3, 4)),
    text=TextConfig(kind="words", name="words", width=16),
)


class Evil:
    """Unpickled, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@dataclass(frozen=True)
class Hostile:
    """A file of a format, what this tool reads it with, and what would have carried it out."""

    make: Callable[[Path, Path], object]  # (file, mark)
    read: Callable[[Path], object]
    trusting: Callable[[Path], object] | None = None


def _checkpoint(path: Path, mark: Path, **options: Any) -> None:
    torch.save({"state_dict": {"a": Evil(mark)}}, path, **options)


def _old_checkpoint(path: Path, mark: Path) -> None:
    _checkpoint(path, mark, _use_new_zipfile_serialization=False)


def _pickle(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps({0: [Evil(mark)]}))


def _yaml(path: Path, mark: Path) -> None:
    path.write_text(f'a: !!python/object/apply:os.mkdir ["{mark}"]\n')


def _postscript(path: Path, _mark: Path) -> None:
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n(x) (w) file closefile\n")


def _open_with_pillow(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _array(path: Path, mark: Path) -> None:
    np.save(path, np.array([Evil(mark)], dtype=object), allow_pickle=True)
    info = EmbeddingInfo(
        picture_px=(4, 4), network_px=(64, 64), stride=4, unit_length=False, model=MODEL, model_sha256="0" * 64
    )
    path.with_suffix(".json").write_text(info.as_json())


def _model(path: Path, mark: Path) -> None:
    """Whose file names, as its text encoder, a checkpoint that lies beside it."""
    _checkpoint(path.with_name("evil.pt"), mark)
    path.touch()


def _read_encoder(path: Path) -> None:
    config = TextConfig(kind="open_clip", name="ViT-B-32-quickgelu", pretrained="evil.pt", width=512)
    open_encoder(config.found_in(path))


def _graph(path: Path, mark: Path) -> None:
    """With an operator of somebody's library, and weights outside its folder."""
    model = onnx.helper.make_model(
        onnx.helper.make_graph([onnx.helper.make_node("Run", ["x"], ["y"], domain="z")], "g", [], [])
    )
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.data_location = "x", onnx.TensorProto.FLOAT, onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=f"../{mark.name}")
    onnx.save_model(model, path)


def _entities(path: Path, mark: Path) -> None:
    """Whose label is what another file holds."""
    text = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "{mark.as_uri()}">]><annotations>&x;</annotations>'
    path.write_text(text)


def _archive(path: Path, _mark: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../mark", b"written outside")


FILES = {
    "training.ckpt": Hostile(_checkpoint, read_checkpoint, lambda path: torch.load(path, weights_only=False)),
    "old.ckpt": Hostile(_old_checkpoint, read_checkpoint, lambda path: torch.load(path, weights_only=False)),
    "pickle.ckpt": Hostile(_pickle, read_checkpoint, lambda path: pickle.loads(path.read_bytes())),
    "tower.pt": Hostile(_checkpoint, lambda path: read_text_tower(path, TOWER)),
    "fold0.pkl": Hostile(_pickle, lambda path: read_classwise(path, 20), lambda path: pickle.loads(path.read_bytes())),
    "embedding.npy": Hostile(_array, read_embedding, lambda path: np.load(path, allow_pickle=True)),
    "recipe.yaml": Hostile(_yaml, read_recipe, lambda path: yaml.unsafe_load(path.read_text())),
    "dataset.yaml": Hostile(_yaml, read_description),
    "labels.yaml": Hostile(_yaml, lambda path: open_labels(f"@{path}")),
    "palette.yaml": Hostile(_yaml, lambda path: recolored(LabelSet.of(["a"]), str(path))),
    "map.yaml": Hostile(_yaml, lambda path: read_label_map(path, ("a",))),
    "synonyms.yaml": Hostile(_yaml, lambda path: read_synonyms(str(path))),
    "data.yaml": Hostile(_yaml, lambda path: read_source(ImportOptions(path, Path("out"), kind="yolo"))),
    "settings": Hostile(_yaml, lambda path: parse_settings([path.read_text().strip().replace("a: ", "a=", 1)])),
    "picture.jpg": Hostile(_postscript, open_image, _open_with_pillow),
    "picture.png": Hostile(_postscript, open_image),
    "picture.eps": Hostile(_postscript, open_image),
    "mask.png": Hostile(_postscript, read_mask),
    "model.safetensors": Hostile(_model, _read_encoder),
    "model.onnx": Hostile(_graph, lambda path: OnnxEngine.open(path, "cpu")),
    "annotations.xml": Hostile(_entities, lambda path: read_source(ImportOptions(path, Path("out"), kind="cvat"))),
    "masks.zip": Hostile(_archive, lambda path: PackedMasks(path).colours(path / "mark")),
}  # fmt: skip


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is there afterwards if something ran; a Ghostscript that leaves it stands first in the path."""
    path = tmp_path / "mark"
    script = tmp_path / "bin" / "gs"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch {path}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return path


@pytest.mark.parametrize("name", FILES)
def test_what_is_read_does_not_run(name: str, tmp_path: Path, mark: Path) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    FILES[name].make(path, mark)
    with pytest.raises(LsegError) as refused:
        FILES[name].read(path)
    assert "\n" not in str(refused.value)
    assert not mark.exists()


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if file.trusting])
def test_what_trusts_a_file_runs_it(name: str, tmp_path: Path, mark: Path) -> None:
    """So the test above can fail."""
    path = tmp_path / name
    FILES[name].make(path, mark)
    try:
        FILES[name].trusting(path)  # type: ignore[misc]  # it has one
    except Exception:  # whatever comes after it ran
        assert mark.exists()
    assert mark.exists()
