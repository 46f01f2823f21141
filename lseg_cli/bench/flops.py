"""How much arithmetic a picture takes in the plain formulation of the paper.

So that figures of different engines, and of other implementations, are shares of the same work.
"""

import torch
from torch.utils.flop_counter import FlopCounterMode

from lseg_cli.config import ModelConfig
from lseg_cli.model.encoder import STRIDES
from lseg_cli.model.lseg import build


def plain_flops(config: ModelConfig, height_px: int, width_px: int, labels: int) -> int:
    """Floating-point operations of one picture, two for each multiply-add, as the paper writes the model down.

    That is what our model does, and three times more of the correlation and of the 1x1 convolutions of DPT's decoder:
    in the paper these run after the upsampling, on four times as many pixels. (A `ReadoutDecoder`, which the paper does
    not have, counts as it is.) Counted are convolutions, linear layers and the correlation.
    Not counted are the two products within attention (80 GFLOP of ViT-L/16 at 480x480), as in the 720 GFLOP that stand
    for this model elsewhere, nor what is done element by element.

    Args:
        config: of the model.
        height_px: of the picture; a multiple of 32.
        width_px: of the picture; a multiple of 32.
        labels: their number.
    """
    counts = _count_ours(config, height_px, width_px, labels)
    pixels = [height_px // stride * (width_px // stride) for stride in STRIDES]
    width = 0 if config.decoder_widths else config.decoder_width
    out_convs = sum(2 * count * width**2 for count in pixels)
    head = 2 * pixels[0] * width * config.text.width
    correlation = 2 * pixels[0] * config.text.width * labels
    # Of batched products our model has the correlation and those within attention.
    ours = counts["convolution"] + counts["addmm"] + counts["mm"] + correlation
    return ours + 3 * (out_convs + head + correlation)


def _count_ours(config: ModelConfig, height_px: int, width_px: int, labels: int) -> dict[str, int]:
    """Of our model, by the operator's name. On the meta device nothing is computed and no weight has memory."""
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model = build(config).eval()
        model(torch.empty(1, 3, height_px, width_px), torch.empty(labels, config.text.width))
    counted = {str(name).removeprefix("aten."): count for name, count in counter.get_flop_counts()["Global"].items()}
    return {name: counted.get(name, 0) for name in ("convolution", "addmm", "mm")}
