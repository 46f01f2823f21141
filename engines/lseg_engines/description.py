"""What a file of this tool says about itself, read without opening it as an engine: no PyTorch, no session."""

import math
from pathlib import Path
from typing import Any

from lseg_cli.config import PRESETS, ModelConfig, TextConfig
from lseg_cli.contract import METADATA_PREFIX, PRECISION_KEY, TOWER_KEY, GraphSpec
from lseg_cli.data.vocabulary import VOCABULARY_KEY, read_vocabulary
from lseg_cli.files import file_sha256
from lseg_cli.model.header import read_config, read_header, read_model_config
from lseg_cli.reading import SafetensorsHeader
from lseg_engines.bundled import BUNDLED
from lseg_engines.opener import find_model, kind_of
from lseg_engines.ort.header import read_onnx
from lseg_engines.text_tower import with_tower

Facts = dict[str, Any]


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
        header = read_header(path)
        is_vocabulary = VOCABULARY_KEY in header.metadata
        kind, facts = ("vocabulary", _of_vocabulary(path)) if is_vocabulary else (kind, _of_safetensors(path, header))
    return {"file": str(path), "kind": kind, "size_mb": round(path.stat().st_size / 1e6, 3), **facts}


def read_spec(model: str) -> GraphSpec:
    """What the engine of a model's file says of itself, without opening it.

    Args:
        model: as `find_model` takes it.

    Raises:
        LsegError: there is none.
        MismatchError: the file is not a model of this tool, or damaged.
        MissingError: it cannot be read.
    """
    path = find_model(model)
    kind = kind_of(path)
    if kind == "onnx":
        return with_tower(read_onnx(path).spec, path)
    if kind == "engine":
        from lseg_engines.tensorrt.sidecar import read_sidecar  # noqa: PLC0415

        return with_tower(read_sidecar(path).build.spec, path)
    config = read_model_config(path)
    return GraphSpec(model=config, model_sha256=file_sha256(path))


def text_encoder_of(model: str) -> TextConfig:
    """The text encoder of a preset or of a model's file.

    Raises:
        LsegError: there is neither.
        MismatchError: the file is not a model of this tool, or damaged.
        MissingError: it cannot be read.
    """
    if model != BUNDLED and model in PRESETS:
        return PRESETS[model].text
    path = find_model(model)
    is_source = kind_of(path) == "safetensors"
    return (read_model_config(path) if is_source else read_spec(model).model).text


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


def _of_safetensors(path: Path, header: SafetensorsHeader) -> Facts:
    tensors = header.tensors.values()
    facts = _of_model(read_config(path, header.metadata))
    if TOWER_KEY in header.metadata:
        facts["text_encoder"] += ", in this file"
    return facts | {
        "tensors": len(tensors),
        "numbers": sum(math.prod(shape) for _, shape in tensors),
        "types": sorted({dtype for dtype, _ in tensors}),
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
    spec, metadata, shapes, opset = read_onnx(path)
    return _of_model(spec.model) | {
        "precision": metadata.get(PRECISION_KEY, "fp32"),
        "input_px": f"{spec.height_px}x{spec.width_px}" if spec.height_px else "any multiple of 32",
        "shapes": shapes,
        "opset": opset,
        "model_sha256": spec.model_sha256,
        "written_by": f"lseg {metadata.get(f'{METADATA_PREFIX}version', '?')}",
    }


def _of_engine(path: Path) -> Facts:
    """From the sidecar, which must be that of the engine."""
    from lseg_engines.tensorrt.sidecar import check_is_of, read_sidecar  # noqa: PLC0415  seldom needed

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
