"""What an ONNX file says about itself, read where it lies: no weight is touched."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lseg_cli.contract import GraphSpec
from lseg_cli.errors import MismatchError, MissingError
from lseg_engines.ort import wire

GRAPH, OPSET, METADATA = 7, 8, 14  # of ModelProto
INPUTS, OUTPUTS = 11, 12  # of GraphProto
_KEY, _VALUE = 1, 2  # of an entry of the metadata
_DOMAIN, _VERSION = 1, 2  # of an opset
_ONNX = ("", "ai.onnx")

Shapes = dict[str, list[int | str]]


class Header(NamedTuple):
    """What is known of a file without its weights.

    Attributes:
        spec: what the graph is.
        metadata: all that the file says in words.
        shapes: of inputs and outputs; a name where an axis is free.
        opset: of the ONNX standard.
    """

    spec: GraphSpec
    metadata: dict[str, str]
    shapes: Shapes
    opset: int


def read_onnx(path: Path) -> Header:
    """The header of a file that `lseg export` wrote.

    Raises:
        MismatchError: no whole ONNX graph, or none of this tool.
        MissingError: it cannot be read.
    """
    with opened(path) as model:
        metadata = metadata_of(model)
        graphs = [field.content for field in wire.find(model, GRAPH)]
        if len(graphs) != 1:
            raise ValueError("There is no graph.")
        shapes = {
            wire.string(field.content, 1): _shape(field.content)
            for field in wire.fields(graphs[0])
            if field.number in (INPUTS, OUTPUTS)
        }
        opsets = [field.content for field in wire.find(model, OPSET)]
        opset = next((wire.numbers(each, _VERSION)[0] for each in opsets if wire.string(each, _DOMAIN) in _ONNX), 0)
    return Header(GraphSpec.from_metadata(metadata, str(path)), metadata, shapes, opset)


def read_metadata(path: Path) -> dict[str, str]:
    """All that a file says in words, whoever wrote it; raises as `read_onnx`."""
    with opened(path) as model:
        return metadata_of(model)


def metadata_of(model: memoryview) -> dict[str, str]:
    """Keys and values of a model's metadata; raises ValueError where it is no whole model."""
    entries = [field.content for field in wire.find(model, METADATA)]
    return {wire.string(entry, _KEY): wire.string(entry, _VALUE) for entry in entries}


@contextmanager
def opened(path: Path) -> Iterator[memoryview]:
    """The bytes of a file, read as they are looked at; whatever cannot be understood of them is told.

    Raises:
        MismatchError: as `read_onnx`.
        MissingError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # goes with the last view of it
        yield memoryview(content)
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, IndexError) as error:
        raise MismatchError(f"{path} is damaged: it is no whole ONNX graph.") from error


def _shape(value: memoryview) -> list[int | str]:
    """Of a ValueInfoProto: its type (2) holds a tensor's (1), which holds the shape (2) of dimensions (1)."""
    inner = value
    for number in (2, 1, 2):
        inner = next((field.content for field in wire.find(inner, number)), memoryview(b""))
    dims = [field.content for field in wire.find(inner, 1)]
    return [wire.string(dim, 2) or next(iter(wire.numbers(dim, 1)), 0) for dim in dims]
