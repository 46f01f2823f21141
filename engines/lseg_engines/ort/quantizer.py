"""An fp32 graph -> an int8 graph for ONNX Runtime on CPUs, by what pictures of the user show (static, QDQ).

Convolutions and products with weights become int8 in the encoder and decoder. The first of them, the last (the head),
and all that meets the words (lengths, correlation, regulariser, softmax) stay float32: it is little work. So does an
encoder of depthwise convolutions, as in half precision: with all of lseg-tiny in int8 66 % of labels are equal, with
all but its first and its depthwise convolutions 95 %, with the decoder alone 99 %, and that is the fastest of the three
(320 x 256, 11 random labels, CamVid; 0.055 s of one core in fp32, 0.049, 0.055 and 0.048 s).
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from lseg_cli.contract import METADATA_PREFIX, PRECISION_KEY

_KINDS = ("Conv", "MatMul")
_METHOD = {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}


def quantize(path: Path, target: Path, pictures: Sequence[NDArray[np.uint8]], width: int) -> None:
    """Writes an int8 graph.

    Args:
        path: of an fp32 graph of this tool.
        target: of the file to write; the weights of a large one stand beside it.
        pictures: (h, w, 3) uint8 each, at a size that the graph takes; the more alike to those to come, the better.
        width: C, of the labels' embeddings.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            prepared = Path(folder) / path.name
            # Without symbolic shapes: their inference fails on graphs of free size.
            quant_pre_process(path, prepared, skip_symbolic_shape=True, skip_optimization=True)
            quantize_static(
                prepared,
                target,
                _Reader(pictures, width),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_KINDS),
                nodes_to_quantize=find_nodes(onnx.load(prepared).graph),
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                extra_options=_METHOD,
            )
    finally:
        logging.disable(level)
    _restore_metadata(path, target)


def find_nodes(graph: onnx.GraphProto) -> list[str]:
    """Names of the convolutions and products with weights to quantize, in the order of computing."""
    reached = {"text"}
    weights = {tensor.name for tensor in graph.initializer}
    names: list[str] = []
    first = 1  # the pixels' own convolution stays as it is
    for node in graph.node:  # in the order of computing
        if reached.intersection(node.input):
            reached.update(node.output)
        elif node.op_type in _KINDS and weights.intersection(node.input):
            names.append(node.name)
            if any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute):
                first = len(names)
    return names[first:-1]


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    """Pictures one after the other, each with a word that no quantized node sees."""

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], width: int) -> None:
        text = np.eye(1, width, dtype=np.float32)
        self._feeds: Iterator[dict[str, Any]] = ({"image": each[None], "text": text} for each in pictures)

    def get_next(self) -> dict[str, Any] | None:
        """The next feed, or None at the end."""
        return next(self._feeds, None)


def _restore_metadata(path: Path, target: Path) -> None:
    """Gives the new graph the old one's facts and name, and its precision."""
    source, graph = (onnx.load(each, load_external_data=False) for each in (path, target))
    metadata = {each.key: each.value for each in source.metadata_props if each.key.startswith(METADATA_PREFIX)}
    onnx.helper.set_model_props(graph, metadata | {PRECISION_KEY: "int8"})
    del graph.graph.value_info[:]  # shapes of the float graph, in letters that not every runtime reads
    graph.producer_name, graph.producer_version = source.producer_name, source.producer_version
    onnx.save_model(graph, target)
