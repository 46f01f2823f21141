"""What a file of this tool says about itself, read without opening it as an engine: no PyTorch, no session."""

import math
import struct
from pathlib import Path
from typing import Any

from lseg_cli.config import PRESETS, ModelConfig, TextConfig
from lseg_cli.contract import (
    CONFIG_KEY,
    METADATA_PREFIX,
    MODEL_OUTPUTS,
    PRECISION_KEY,
    TOWER_KEY,
    GraphSpec,
    parse_config,
)
from lseg_cli.data.vocabulary import VOCABULARY_KEY, read_vocabulary
from lseg_cli.errors import MismatchError
from lseg_cli.files import file_sha256, open_regular
from lseg_cli.reading import parse_json, reading
from lseg_engines.opener import BUNDLED, find_model, kind_of
from lseg_engines.tensorrt.sidecar import check_is_of, read_sidecar

Facts = dict[str, Any]

_MOST_HEADER = 100_000_000  # bytes: the limit of safetensors itself


def describe(path: Path) -> Facts:
    """Facts by name, in the order to show them; every value fits into JSON.

    Args:
        path: of a `.safetensors`, `.onnx` or `.engine` model, or of a vocabulary.

    Raises:
        MismatchError: the file is none of this tool, or damaged.
        MissingError: it cannot be read.
    """
    kind: str = kind_of(path)
    facts: Facts
    if kind == "onnx":
        facts = _of_onnx(path)
    elif kind == "engine":
        facts = _of_engine(path)
    else:
        header = _read_header(path)
        is_vocabulary = VOCABULARY_KEY in header["__metadata__"]
        kind, facts = ("vocabulary", _of_vocabulary(path)) if is_vocabulary else (kind, _of_safetensors(path, header))
    return {"file": str(path), "kind": kind, "size_mb": round(path.stat().st_size / 1e6, 3), **facts}


def read_spec(model: str) -> GraphSpec:
    """What the engine of a model's file says of itself, without opening it.

    Args:
        model: as `find_model` takes it.

    Raises:
        LsegError: there is none.
        MismatchError: the file is no model of this tool, or damaged.
        MissingError: it cannot be read.
    """
    path = find_model(model)
    kind = kind_of(path)
    if kind == "onnx":
        from lseg_engines.ort.header import read_onnx  # noqa: PLC0415  not needed for the other kinds

        return read_onnx(path)[1]
    if kind == "engine":
        return read_sidecar(path).build.spec
    config = _model_config(path, _read_header(path))
    return GraphSpec(model=config, model_sha256=file_sha256(path), outputs=MODEL_OUTPUTS)


def text_encoder_of(model: str) -> TextConfig:
    """The text encoder of a preset or of a model's file.

    Raises:
        LsegError: there is neither.
        MismatchError: the file is no model of this tool, or damaged.
        MissingError: it cannot be read.
    """
    if model != BUNDLED and model in PRESETS:
        return PRESETS[model].text
    path = find_model(model)
    if kind_of(path) == "onnx":
        from lseg_engines.ort.header import read_onnx  # noqa: PLC0415  not needed for the other kinds

        return read_onnx(path)[1].model.text
    if kind_of(path) == "engine":
        return read_sidecar(path).build.spec.model.text
    return _model_config(path, _read_header(path)).text


def _of_model(config: ModelConfig) -> Facts:
    image, text, regularizer = config.image, config.text, config.regularizer
    return {
        "model": config.name,
        "origin": config.origin or "unknown",
        "encoder": config.encoder.name,
        "regularizer": f"{regularizer.kind}, {regularizer.depth} deep" if regularizer.depth else "none",
        "text_encoder": f"{text.name} ({text.kind})",
        "embedding_width": text.width,
        "templates": list(text.templates),
        "long_side_px": image.long_side_px,
        "mean": list(image.mean),
        "std": list(image.std),
    }


def _read_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file alone: its length in eight bytes, then JSON."""
    with reading(path, "is damaged: its header cannot be read"):
        with open_regular(path) as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(_MOST_HEADER, path.stat().st_size):
                raise ValueError("it is cut off")
            header: dict[str, Any] = parse_json(file.read(length))
        metadata = header.setdefault("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("its metadata are not texts")
    return header


def _model_config(path: Path, header: dict[str, Any]) -> ModelConfig:
    config = header["__metadata__"].get(CONFIG_KEY)
    if config is None:
        raise MismatchError(f"{path} holds tensors but no LSeg configuration: it is not a model of this tool.")
    return parse_config(config, path)


def _of_safetensors(path: Path, header: dict[str, Any]) -> Facts:
    with reading(path, "is damaged: its header cannot be read"):
        tensors = [
            (str(entry["dtype"]), math.prod(int(side) for side in entry["shape"]))
            for name, entry in header.items()
            if name != "__metadata__"
        ]
    types = sorted({dtype for dtype, _ in tensors})
    facts = _of_model(_model_config(path, header))
    if TOWER_KEY in header["__metadata__"]:
        facts["text_encoder"] += ", in this file"
    return facts | {
        "tensors": len(tensors),
        "numbers": sum(count for _, count in tensors),
        "types": types,
    }


def _of_vocabulary(path: Path) -> Facts:
    vocabulary = read_vocabulary(path)
    encoder = vocabulary.encoder
    return {
        "labels": len(vocabulary.labels),
        "names": list(vocabulary.names),
        "prompts": sum(map(len, vocabulary.prompts)),
        "text_encoder": f"{encoder.name} ({encoder.kind})",
        "text_encoder_sha256": encoder.sha256,
        "embedding_width": encoder.width,
        "templates": list(encoder.templates),
    }


def _of_onnx(path: Path) -> Facts:
    from lseg_engines.ort.header import read_onnx  # noqa: PLC0415  not needed for the other kinds

    graph, spec, metadata = read_onnx(path)
    values = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
    }
    return _of_model(spec.model) | {
        "precision": metadata.get(PRECISION_KEY, "fp32"),
        "input_px": f"{spec.height_px}x{spec.width_px}" if spec.height_px else "any multiple of 32",
        "shapes": values,
        "opset": next(each.version for each in graph.opset_import if each.domain in ("", "ai.onnx")),
        "model_sha256": spec.model_sha256,
        "written_by": f"lseg {metadata.get(f'{METADATA_PREFIX}version', '?')}",
    }


def _of_engine(path: Path) -> Facts:
    """From the sidecar, which must be that of the engine."""
    sidecar = read_sidecar(path)
    check_is_of(sidecar, path)
    build = sidecar.build
    least, tuned, most = zip(*build.profiles.values(), strict=True)
    names = list(build.profiles)
    return _of_model(build.spec.model) | {
        "precision": build.precision,
        "found_precisions": sidecar.found_precisions and list(sidecar.found_precisions),
        "tensorrt": f"{sidecar.flavour.title} {build.version}",
        "runs_on": [f"SM{sm}" for sm in build.sm] or "every GPU from Ampere on",
        "built_on": build.gpu or "a machine without a GPU",
        "least": dict(zip(names, map(list, least), strict=True)),
        "tuned": dict(zip(names, map(list, tuned), strict=True)),
        "most": dict(zip(names, map(list, most), strict=True)),
        "onnx": build.onnx,
        "onnx_sha256": build.onnx_sha256,
        "onnx_check": build.onnx_check and build.onnx_check.model_dump(),
        "engine_check": sidecar.engine_check and sidecar.engine_check.model_dump(),
        "model_sha256": build.spec.model_sha256,
        "written_by": sidecar.written_by,
    }
