"""What an ONNX file says about itself, without its weights where they lie beside it."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from lseg_cli.contract import GraphSpec
from lseg_cli.errors import MismatchError


def read_onnx(path: Path) -> tuple[onnx.ModelProto, GraphSpec, dict[str, str]]:
    """The graph, what it says it is, and all of its metadata.

    Raises:
        MismatchError: no whole ONNX graph, or none of this tool.
    """
    try:
        graph = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise MismatchError(f"{path} is damaged: it is no whole ONNX graph.") from error
    metadata = {prop.key: prop.value for prop in graph.metadata_props}
    return graph, GraphSpec.from_metadata(metadata, str(path)), metadata
