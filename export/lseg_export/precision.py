"""The number format of an exported graph: a property of the graph, as TensorRT 11 wants it, not of a builder's flag.

In float16 run the encoder and the decoder: nearly all of the work. Correlation, its lengths, the regulariser and the
softmax stay float32: the sum of 512 squares overflows float16 from values of 11 on, and a logit's last digits decide
between labels. LayerNorm takes its means and variances in float32 by ONNX's definition (`stash_type` 1).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from lseg_cli.config import SIZE_MULTIPLE
from lseg_cli.model.lseg import LSeg

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16}


def cast(model: LSeg, precision: str) -> torch.dtype:
    """Brings encoder and decoder, in place, to a precision; returns its type."""
    dtype = PRECISIONS[precision]
    if dtype != torch.float32:
        fold_norms(model)
    model.encoder.to(dtype)
    model.decoder.to(dtype)
    return dtype


def fold_norms(model: LSeg) -> None:
    """Folds every BatchNorm into the convolution before it, in place and in float32.

    In float16 the exporter's own folding would round a large mean times a scale, and lose the small difference that is
    left of it.
    """
    paths = {module: path for path, module in model.named_modules()}
    for conv, norm in _find_pairs(model):
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        # timm's norm has its activation inside.
        rest = nn.Sequential(norm.drop, norm.act) if hasattr(norm, "act") else nn.Identity()
        model.set_submodule(paths[norm], rest)


def _find_pairs(model: LSeg) -> list[tuple[nn.Conv2d, Any]]:
    """Each BatchNorm with the convolution whose output it takes: seen by running the model once."""
    pairs: list[tuple[nn.Conv2d, Any]] = []  # timm's classes name no types for their attributes
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # by the output's id, and the output, so that no id comes twice

    def note_output(module: nn.Conv2d, _: object, output: Tensor) -> None:
        made[id(output)] = module, output

    def note_input(module: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        if id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], module))

    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [conv.register_forward_hook(note_output) for conv in convs]
    hooks += [norm.register_forward_pre_hook(note_input) for norm in norms]
    with torch.no_grad():
        model.features(torch.zeros(1, 3, 2 * SIZE_MULTIPLE, 2 * SIZE_MULTIPLE))
    for hook in hooks:
        hook.remove()
    return pairs
