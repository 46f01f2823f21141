"""An exported file in a model repository of NVIDIA's Triton Inference Server: DIR/<name>/1/model.onnx, config.pbtxt."""

import shutil
from pathlib import Path

from lseg_cli.contract import GraphSpec
from lseg_cli.errors import LsegError

_ANY = -1


def add_to_repository(path: Path, repository: Path, spec: GraphSpec) -> Path:
    """Copies a file, and the data beside it, as version 1 of a model that is named as the file.

    Args:
        path: of the `.onnx` file.
        repository: Triton's `--model-repository`; other models in it are left alone.
        spec: of the file.

    Returns:
        The model's folder.

    Raises:
        LsegError: the repository cannot be written.
    """
    folder = repository / path.stem
    try:
        (folder / "1").mkdir(parents=True, exist_ok=True)
        data = Path(f"{path}.data")
        if data.exists():
            shutil.copyfile(data, folder / "1" / data.name)  # the graph names its data so
        shutil.copyfile(path, folder / "1" / "model.onnx")
        (folder / "config.pbtxt").write_text(make_config(path.stem, spec), encoding="utf-8")
    except OSError as error:
        raise LsegError(f"{folder} cannot be written: {error.strerror}.") from error
    return folder


def make_config(name: str, spec: GraphSpec) -> str:
    """The model's `config.pbtxt`.

    Every axis is spelled out (`max_batch_size` 0): labels are shared by the pictures of a request, so Triton must not
    put requests together.
    """
    height, width = spec.height_px or _ANY, spec.width_px or _ANY
    inputs = [
        _tensor("image", "TYPE_UINT8", (_ANY, height, width, 3)),
        _tensor("text", "TYPE_FP32", (_ANY, spec.model.text.width)),
    ]
    outputs = [
        _tensor("logits", "TYPE_FP32", (_ANY, _ANY, height, width)),
        _tensor("mask", "TYPE_INT32", (_ANY, height, width)),
        _tensor("confidence", "TYPE_FP32", (_ANY, height, width)),
        _tensor("scores", "TYPE_FP32", (_ANY, _ANY, _part(height, 2), _part(width, 2))),
        _tensor("features", "TYPE_FP16", (_ANY, spec.model.text.width, _part(height, 4), _part(width, 4))),
    ]
    return (
        f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: 0\n'
        f"input [\n{_join(inputs)}\n]\noutput [\n{_join(outputs)}\n]\n"
    )


def _part(side_px: int, stride: int) -> int:
    return side_px if side_px == _ANY else side_px // stride


def _tensor(name: str, kind: str, dims: tuple[int, ...]) -> str:
    return f'  {{ name: "{name}", data_type: {kind}, dims: [ {", ".join(map(str, dims))} ] }}'


def _join(tensors: list[str]) -> str:
    return ",\n".join(tensors)
