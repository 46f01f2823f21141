"""The number format of an exported graph: a property of the graph, as TensorRT 11 wants it, not of a builder's flag.

In float16 run the encoder and the decoder: nearly all of the work. Correlation, its lengths, the regulariser and the
softmax stay float32: the sum of 512 squares overflows float16 from values of 11 on, and a logit's last digits decide
between labels. LayerNorm takes its means and variances in float32 by ONNX's definition (`stash_type` 1).
"""

import torch

from lseg_cli.model.lseg import LSeg

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16}


def cast(model: LSeg, precision: str) -> torch.dtype:
    """Brings encoder and decoder, in place, to a precision; returns its type."""
    dtype = PRECISIONS[precision]
    model.encoder.to(dtype)
    model.decoder.to(dtype)
    return dtype
