"""What an ONNX file says about itself, without its weights where they lie beside it."""

from pathlib import Path

import onnx

from lseg_cli.contract import GraphSpec
from lseg_cli.errors import MissingError
from lseg_cli.files import read_regular
from lseg_cli.reading import reading
from lseg_engines.ort.graph_check import check_graph

_MAX_BYTES = 2**31 - 1  # of a protobuf


def read_onnx(path: Path) -> tuple[onnx.ModelProto, GraphSpec, dict[str, str]]:
    """The graph, what it says it is, and all of its metadata.

    Raises:
        MismatchError: no whole ONNX graph, none of this tool, or one that does not fit the contract.
        MissingError: it cannot be read.
    """
    try:
        data = read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise MissingError(f"{path} cannot be read ({error.strerror}).") from error
    with reading(path, "is damaged: it is not a whole ONNX graph"):
        graph = onnx.load_model_from_string(data)
        del data
        metadata = {prop.key: prop.value for prop in graph.metadata_props}
    spec = GraphSpec.from_metadata(metadata, str(path))
    check_graph(graph, spec, path)
    return graph, spec, metadata
