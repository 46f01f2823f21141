"""A model file -> an ONNX file that runs from itself alone, with pictures per batch and labels as free axes."""

import logging
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch

from lseg_cli import __version__
from lseg_cli.config import SIZE_MULTIPLE
from lseg_cli.contract import METADATA_PREFIX, OUTPUTS, PRECISION_KEY, GraphSpec
from lseg_cli.errors import LsegError, MissingError
from lseg_cli.extras import require
from lseg_cli.files import file_sha256
from lseg_cli.model.checkpoint import load_model
from lseg_cli.model.lseg import LSeg, check_size
from lseg_cli.model.regularizer import kernel_of
from lseg_export.graph import Graph
from lseg_export.lint import Dims, check_graph, free_primes
from lseg_export.options import GraphOptions
from lseg_export.precision import PRECISIONS, cast

_BF16_OPSET = 22  # the first whose convolutions take bfloat16
OPSETS = range(18, 23)  # 18 is the exporter's first; from 23 on it writes Attention nodes, which TensorRT-RTX refuses
LARGEST_FILE = 2_000_000_000  # bytes: a protobuf message ends at 2 GiB, and some are for the graph


def export_onnx(model_path: Path, path: Path, options: GraphOptions) -> GraphSpec:
    """Writes a model as ONNX; beyond 2 GB its weights stand beside it, in `<name>.data`.

    Args:
        model_path: a `.safetensors` model.
        path: of the file to write; `lseg_cli.files` gives one that a failed check does not leave behind.
        options: what kind of graph.

    Returns:
        What the file says about itself.

    Raises:
        LsegError: a size, precision or opset that cannot be.
        MissingError: the exporter's package is not installed, or onnxslim where `is_slim`.
        VerificationError: something of the example the graph was traced with is left in it.
        MismatchError: `model_path` is not a model of this tool.
        DataError: `model_path` cannot be read.
    """
    check_options(options)
    model = load_model(model_path)
    height, width = options.size or (None, None)
    spec = GraphSpec(model=model.config, model_sha256=file_sha256(model_path), height_px=height, width_px=width)
    spec = spec.model_copy(update={"kernel": kernel_of(model.regularizer)})
    graph = trace(model, spec, options)
    metadata = spec.to_metadata() | {PRECISION_KEY: options.precision, f"{METADATA_PREFIX}version": __version__}
    onnx.helper.set_model_props(graph, metadata)
    save_graph(graph, path)
    return spec


def trace(model: LSeg, spec: GraphSpec, options: GraphOptions) -> onnx.ModelProto:
    """The graph of a model, checked to be free of its example; casts the model to the precision, in place.

    Raises:
        MissingError: the exporter's package is not installed.
        VerificationError: something of the example is left.
    """
    weights = [dim for tensor in model.state_dict().values() for dim in tensor.shape]
    sizes = [size for size in (spec.height_px, spec.width_px) if size]
    batch, labels, rows, columns = free_primes(4, weights + sizes)
    traced = {"batch": batch, "labels": labels}
    if spec.height_px is None:
        traced |= {"height": rows, "width": columns}
    height, width = spec.height_px or rows * SIZE_MULTIPLE, spec.width_px or columns * SIZE_MULTIPLE
    # Tracing reads no pixel, so that even a large example costs no memory.
    example = (torch.empty(batch, height, width, 3, dtype=torch.uint8), torch.empty(labels, model.config.text.width))
    opset = max(options.opset, _BF16_OPSET) if options.precision == "bf16" else options.opset
    graph = Graph(model, cast(model, options.precision)).eval()
    for module in graph.modules():  # what works in place takes the exporter a quarter longer, and is the same graph
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    proto = run_exporter(graph, example, _free_axes(spec), opset, (["image", "text"], list(OUTPUTS)))
    if options.is_slim:
        proto = _slim(proto)
    dims = _dims(spec)
    check_graph(proto, traced, dims)
    tidy(proto, dims)
    return proto


def check_options(options: GraphOptions) -> None:
    """Whether a graph can be as it is wanted.

    Raises:
        LsegError: a size, precision or opset that cannot be.
        MissingError: onnxslim is wanted and not installed.
    """
    if options.is_slim:
        require("slim", "--slim")
    if options.precision not in PRECISIONS:
        raise LsegError(
            f"The precision {options.precision!r} cannot be exported; choose one of {', '.join(PRECISIONS)}."
        )
    if options.opset not in OPSETS:
        raise LsegError(f"Opset {options.opset} cannot be exported; choose one of {OPSETS[0]} to {OPSETS[-1]}.")
    if options.size:
        check_size(*options.size)


def _free_axes(spec: GraphSpec) -> tuple[dict[int, Any], dict[int, Any]]:
    """Free axes of image and text, as `torch.export` wants them: sides are 32 times any number."""
    image: dict[int, Any] = {0: torch.export.Dim("batch")}
    if spec.height_px is None:
        image[1] = SIZE_MULTIPLE * torch.export.Dim("rows")
        image[2] = SIZE_MULTIPLE * torch.export.Dim("columns")
    return image, {0: torch.export.Dim("labels")}


def _dims(spec: GraphSpec) -> dict[str, Dims]:
    """What the dimensions of every input and output are to be, and to be called."""
    height: int | str = spec.height_px or "height"
    width: int | str = spec.width_px or "width"
    return {
        "image": ("batch", height, width, 3),
        "text": ("labels", spec.model.text.width),
        "logits": ("batch", "labels", height, width),
        "mask": ("batch", height, width),
        "confidence": ("batch", height, width),
        "scores": ("batch", "labels", *_parts(height, width, 2)),
        "features": ("batch", spec.model.text.width, *_parts(height, width, 4)),
    }


def _parts(height: int | str, width: int | str, stride: int) -> list[int | str]:
    return [side // stride if isinstance(side, int) else f"{side}/{stride}" for side in (height, width)]


def run_exporter(
    graph: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    free: tuple[dict[int, Any], ...],
    opset: int,
    names: tuple[list[str], list[str]],
) -> onnx.ModelProto:
    """Runs PyTorch's exporter, kept quiet.

    Args:
        graph: in evaluation mode.
        example: its inputs.
        free: for each input the axes that are free.
        opset: of the ONNX standard.
        names: of inputs and outputs.

    Raises:
        MissingError: the exporter's package is not installed.
    """
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on its own deprecations
            program = torch.onnx.export(
                graph,
                example,
                dynamo=True,
                dynamic_shapes=free,
                input_names=names[0],
                output_names=names[1],
                opset_version=opset,
                verbose=False,
            )
    except ImportError as error:
        raise MissingError("The ONNX exporter needs onnxscript: pip install onnxscript.") from error
    finally:
        exporter.setLevel(level)
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program.")
    proto: onnx.ModelProto = program.model_proto
    return proto


def _slim(proto: onnx.ModelProto) -> onnx.ModelProto:
    import onnxslim  # noqa: PLC0415  optional

    if _size(proto) > LARGEST_FILE:
        raise LsegError("--slim cannot take a graph of more than 2 GB; leave it out.")
    slimmed: onnx.ModelProto = onnxslim.slim(proto)
    return slimmed


def _size(proto: onnx.ModelProto) -> int:
    """Bytes of all weights."""
    return sum(len(tensor.raw_data) for tensor in proto.graph.initializer)


def tidy(proto: onnx.ModelProto, dims: dict[str, Dims]) -> None:
    """Names the axes, and drops what the exporter notes: stack traces with paths of this machine, module names."""
    for value in (*proto.graph.input, *proto.graph.output):
        for dim, name in zip(value.type.tensor_type.shape.dim, dims[value.name], strict=True):
            if isinstance(name, str):
                dim.dim_param = name
    del proto.graph.value_info[:]  # their axes have other names; every runtime infers them
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.initializer, *proto.graph.input):
        del part.metadata_props[:]
        part.doc_string = ""
    proto.graph.name = "lseg"
    proto.producer_name, proto.producer_version = "lseg", __version__


def save_graph(proto: onnx.ModelProto, path: Path) -> None:
    """Writes a graph; beyond 2 GB its weights stand beside it, in `<name>.data`."""
    if _size(proto) > LARGEST_FILE:
        onnx.save_model(proto, path, save_as_external_data=True, location=f"{path.name}.data")
    else:
        onnx.save_model(proto, path)
