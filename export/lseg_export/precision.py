"""The number format of an exported graph: a property of the graph, as TensorRT 11 wants it, not of a builder's flag.

In half precision run the encoder and the decoder: nearly all of the work. Correlation, its lengths, the regulariser and
the softmax stay float32: the sum of 512 squares overflows float16 from values of 11 on, and the last digits of a logit
decide between labels. LayerNorm takes its means and variances in float32 by ONNX's definition (`stash_type` 1).

An encoder of depthwise convolutions stays float32 as well. Each of its kernels sees one channel, so that no sum levels
out what rounding does: lseg-tiny's reach 29, and weights rounded to float16 change its embeddings by 2.5e-3, results
rounded by 1.6e-3, either of which costs 0.2 % of 257 labels. Its decoder alone costs 0.04 %, and is half of the work.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from lseg_cli.config import SIZE_MULTIPLE
from lseg_cli.model.lseg import LSeg

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "int8": torch.float32}


class Dtypes(NamedTuple):
    """What the parts of a model compute in."""

    encoder: torch.dtype
    decoder: torch.dtype


def cast(model: LSeg, precision: str) -> Dtypes:
    """Brings encoder and decoder, in place, to a precision; returns their types."""
    dtype = PRECISIONS[precision]
    dtypes = Dtypes(torch.float32 if _is_depthwise(model.encoder) else dtype, dtype)
    if dtype != torch.float32:
        fold_norms(model)
    if dtype == torch.bfloat16:
        replace_transposed(model)
    model.encoder.to(dtypes.encoder)
    model.decoder.to(dtypes.decoder)
    return dtypes


def _is_depthwise(encoder: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in encoder.modules())


def replace_transposed(model: LSeg) -> None:
    """Writes every transposed convolution as a 1x1 convolution and a shuffle of its channels into space, in place.

    The same sums, for its kernel is as large as its stride; TensorRT has no transposed convolution in bfloat16.
    """
    for path, module in list(model.named_modules()):
        if isinstance(module, nn.ConvTranspose2d):
            factor = module.stride[0]
            conv = nn.Conv2d(module.in_channels, module.out_channels * factor**2, 1)
            conv.weight = nn.Parameter(module.weight.permute(1, 2, 3, 0).reshape(conv.weight.shape))
            conv.bias = None if module.bias is None else nn.Parameter(module.bias.repeat_interleave(factor**2))
            model.set_submodule(path, nn.Sequential(conv, nn.PixelShuffle(factor)))


def fold_norms(model: LSeg) -> None:
    """Folds every BatchNorm into the convolution before it, in place and in float32.

    In float16 the exporter's own folding would round a large mean times a scale, and lose the small difference that is
    left of it.
    """
    paths = {module: path for path, module in model.named_modules()}
    for conv, norm in find_pairs(model):
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        # timm's norm has its activation inside.
        rest = nn.Sequential(norm.drop, norm.act) if hasattr(norm, "act") else nn.Identity()
        model.set_submodule(paths[norm], rest)


def find_pairs(model: LSeg) -> list[tuple[nn.Conv2d, Any]]:
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
