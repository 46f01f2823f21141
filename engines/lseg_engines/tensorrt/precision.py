"""The number formats that a built engine really computes in, as TensorRT's engine inspector tells them.

TensorRT has built float32 engines for people who had asked for float16, without a word. So what was built is looked at.
"""

import json
import re
from collections.abc import Collection
from typing import Any

from lseg_cli.errors import VerificationError

# In the words of several versions: 'Half', 'Row major linear FP16 format'.
_WORDS = {
    "fp32": re.compile(r"\b(Float|FP32)\b"),
    "fp16": re.compile(r"\b(Half|FP16)\b"),
    "bf16": re.compile(r"\b(BFloat16|BF16)\b"),
    "int8": re.compile(r"\b(Int8|INT8)\b"),
}


def read_precisions(information: str) -> tuple[str, ...]:
    """The formats of all layers' tensors.

    Args:
        information: of the inspector, as JSON.

    Returns:
        Such as ('fp32', 'fp16'); nothing if the engine is a single piece that tells nothing of its inside.
    """
    layers = [layer for layer in json.loads(information).get("Layers", []) if isinstance(layer, dict)]
    if len(layers) < 2:
        return ()
    tensors: list[dict[str, Any]] = [each for layer in layers for end in ("Inputs", "Outputs") for each in layer[end]]
    formats = " ".join(str(tensor.get("Format/Datatype", "")) for tensor in tensors)
    return tuple(name for name, words in _WORDS.items() if words.search(formats))


def check_precisions(found: Collection[str], precision: str) -> None:
    """Whether an engine has the precision of its graph; around halves and bytes there is always some float32.

    Args:
        found: from `read_precisions`; nothing passes.
        precision: of the graph.

    Raises:
        VerificationError: it has not.
    """
    if found and set(found) - {"fp32"} != {precision} - {"fp32"}:
        raise VerificationError(
            f"The graph is {precision}, and the engine that TensorRT built computes in {' and '.join(found)}."
        )
