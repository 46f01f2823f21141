"""Makes the graph that lies beside the bundled model: `python recipes/lseg-tiny/bundle_onnx.py` after new weights.

What `lseg export` writes, for pictures of any size. But the weights are
stored in float16, as in the `.safetensors` file, and widened once when the session is made: the same numbers.
"""

import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import torch
import typer
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lseg_cli.model.checkpoint import load_model
from lseg_cli.weights import WEIGHTS_DIR
from lseg_export.onnx_file import export_onnx
from lseg_export.options import GraphOptions
from lseg_export.precision import find_pairs

Floats = NDArray[np.float32]
Scaled = dict[tuple[int, ...], list[tuple[Floats, Floats | None]]]

FEW = 16  # elements below which a tensor is a number of the program, or not worth a node


def main(model: Path = WEIGHTS_DIR / "lseg-tiny.safetensors", target: Path = WEIGHTS_DIR / "lseg-tiny.onnx") -> None:
    """Exports MODEL to TARGET."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.onnx"
        export_onnx(model, whole, GraphOptions())
        graph = onnx.load(whole)
    left = halve(graph, find_scaled(model))
    onnx.checker.check_model(graph, full_check=True)
    onnx.save_model(graph, target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB; {left / 1e6:.2f} MB in float32")


def halve(model: onnx.ModelProto, scaled: Scaled) -> int:
    """Stores weights as float16 where that loses nothing; returns how many bytes are left in float32."""
    first, left = list[onnx.NodeProto](), 0
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < FEW:
            continue
        values, name = numpy_helper.to_array(tensor), tensor.name
        weight, factor = next(
            (pair for pair in [(values, None), *scaled.get(values.shape, [])] if is_stored(values, *pair)), (None, None)
        )
        if weight is None:
            left += values.nbytes
            continue
        tensor.CopyFrom(numpy_helper.from_array(weight.astype(np.float16), f"{name}/half"))
        wide = name if factor is None else f"{name}/wide"
        first.append(helper.make_node("Cast", [f"{name}/half"], [wide], name=f"{name}/cast", to=TensorProto.FLOAT))
        if factor is not None:
            model.graph.initializer.append(numpy_helper.from_array(factor, f"{name}/factor"))
            first.append(helper.make_node("Mul", [wide, f"{name}/factor"], [name], name=f"{name}/scale"))
    for node in reversed(first):
        model.graph.node.insert(0, node)
    return left


def is_stored(values: Floats, weight: Floats, factor: Floats | None) -> bool:
    """Whether float16 numbers times a factor are a graph's weights, but for the last bit of a float32."""
    half = weight.astype(np.float16).astype(np.float32)
    if factor is None:
        return np.array_equal(half, values)
    return bool(np.array_equal(half, weight) and np.allclose(half * factor, values, rtol=1e-6, atol=1e-9))


def find_scaled(path: Path) -> Scaled:
    """For each shape the kernels that have a BatchNorm behind them, as they are stored, and its factor a channel.

    The exporter multiplies the two, so that what it writes is no float16 number any more.
    """
    found: Scaled = defaultdict(list)
    for conv, norm in find_pairs(load_model(path)):
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = conv.weight.detach().numpy()
        found[weight.shape].append((weight, factor.detach().numpy().reshape(-1, 1, 1, 1)))
    return found


if __name__ == "__main__":
    typer.run(main)
