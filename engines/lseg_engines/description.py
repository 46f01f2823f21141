"""What a model's file says about itself, read without opening it as an engine: no PyTorch, no session."""

import json
import math
import struct
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lseg_cli.config import ModelConfig
from lseg_cli.contract import CONFIG_KEY, METADATA_PREFIX, PRECISION_KEY, TOWER_KEY, GraphSpec
from lseg_cli.errors import MismatchError
from lseg_engines.opener import kind_of

Facts = dict[str, Any]

_MOST_HEADER = 100_000_000  # bytes: the limit of safetensors itself


def describe(path: Path) -> Facts:
    """Facts by name, in the order to show them; every value fits into JSON.

    Args:
        path: of a `.safetensors` or `.onnx` model.

    Raises:
        MismatchError: the file is no model of this tool, or damaged.
        MissingError: it cannot be read.
    """
    kind = kind_of(path)
    facts = {"file": str(path), "kind": kind, "size_mb": round(path.stat().st_size / 1e6, 1)}
    return facts | (_of_onnx(path) if kind == "onnx" else _of_safetensors(path))


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


def _of_safetensors(path: Path) -> Facts:
    """Reads the header alone: its length in eight bytes, then JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: dict[str, Any] = json.loads(file.read(min(length, _MOST_HEADER)))
        metadata = header.pop("__metadata__", {})
        config, tower = metadata.get(CONFIG_KEY), metadata.get(TOWER_KEY)
        tensors = [(entry["dtype"], math.prod(entry["shape"])) for entry in header.values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MismatchError(f"{path} is damaged: its header cannot be read.") from error
    if config is None:
        raise MismatchError(f"{path} holds tensors but no LSeg configuration: it is not a model of this tool.")
    try:
        facts = _of_model(ModelConfig.model_validate_json(config))
    except ValidationError as error:
        raise MismatchError(f"{path} was written by another version of this tool.") from error
    if tower:
        facts["text_encoder"] += ", in this file"
    types = sorted({dtype for dtype, _ in tensors})
    return facts | {"tensors": len(tensors), "numbers": sum(count for _, count in tensors), "types": types}


def _of_onnx(path: Path) -> Facts:
    import onnx  # noqa: PLC0415  not needed for the other kind
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        graph = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise MismatchError(f"{path} is damaged: it is no whole ONNX graph.") from error
    metadata = {prop.key: prop.value for prop in graph.metadata_props}
    spec = GraphSpec.from_metadata(metadata, str(path))
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
