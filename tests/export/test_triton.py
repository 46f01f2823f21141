"""A model repository as Triton wants it, read as text: there is no Triton here."""

import re
from pathlib import Path

import pytest

from lseg_cli.config import ModelConfig
from lseg_cli.contract import GraphSpec
from lseg_cli.errors import LsegError
from lseg_export.triton import add_to_repository, make_config


def tensors(config: str) -> dict[str, tuple[str, list[int]]]:
    found = re.findall(r'name: "(\w+)", data_type: (\w+), dims: \[ ([-\d, ]+) \]', config)
    return {name: (kind, [int(dim) for dim in dims.split(",")]) for name, kind, dims in found}


@pytest.mark.parametrize("size", [(64, 96), (None, None)])
def test_the_configuration_names_every_tensor(size: tuple[int | None, int | None], vit_config: ModelConfig) -> None:
    spec = GraphSpec(model=vit_config, model_sha256="0", height_px=size[0], width_px=size[1])
    config = make_config("street", spec)
    height, width = (side or -1 for side in size)
    assert tensors(config) == {
        "image": ("TYPE_UINT8", [-1, height, width, 3]),
        "text": ("TYPE_FP32", [-1, 16]),
        "logits": ("TYPE_FP32", [-1, -1, height, width]),
        "mask": ("TYPE_INT32", [-1, height, width]),
        "confidence": ("TYPE_FP32", [-1, height, width]),
        "scores": ("TYPE_FP32", [-1, -1, *(-1 if side < 0 else side // 2 for side in (height, width))]),
        "features": ("TYPE_FP16", [-1, 16, *(-1 if side < 0 else side // 4 for side in (height, width))]),
    }
    assert 'name: "street"\nbackend: "onnxruntime"\nmax_batch_size: 0\n' in config
    assert config.index("input [") < config.index('"text"') < config.index("output [") < config.index('"logits"')
    assert config.count("{") == config.count("}") == 7


def test_the_file_and_its_data_are_copied(vit_config: ModelConfig, tmp_path: Path) -> None:
    path = tmp_path / "street.onnx"
    path.write_bytes(b"graph")
    Path(f"{path}.data").write_bytes(b"weights")
    folder = add_to_repository(path, tmp_path / "models", GraphSpec(model=vit_config, model_sha256="0"))
    assert folder == tmp_path / "models" / "street"
    assert (folder / "1" / "model.onnx").read_bytes() == b"graph"
    assert (folder / "1" / "street.onnx.data").read_bytes() == b"weights"  # as the graph names it
    assert (folder / "config.pbtxt").is_file()


def test_a_repository_that_cannot_be_is_told(vit_config: ModelConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LsegError, match="street cannot be written"):
        add_to_repository(tmp_path / "street.onnx", tmp_path / "file", GraphSpec(model=vit_config, model_sha256="0"))
