"""Spatial regularisation of the label maps (section 3, figure 3 of the paper): any number of labels, in any order.

One 3x3 kernel, shared by all labels and by all applications, at half the resolution of the picture.
"""

from typing import Literal

from torch import Tensor, nn

from lseg_cli.config import RegularizerConfig

_ACTIVATIONS: dict[str, type[nn.Module]] = {"lrelu": nn.LeakyReLU, "tanh": nn.Tanh, "relu": nn.ReLU}


class SpatialRegularizer(nn.Module):
    """DepthwiseBlock, or BottleneckBlock, which lets every label see the strongest one at its place."""

    def __init__(self, kind: Literal["depthwise", "bottleneck"], depth: int, activation: str = "lrelu") -> None:
        """`depth` applications; the activation ('lrelu', 'tanh' or 'relu') follows all but the last."""
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)
        self.activation = _ACTIVATIONS[activation]()
        self.depth = depth
        self.adds_max = kind == "bottleneck"

    def forward(self, logits: Tensor) -> Tensor:
        """(B, N, h, w) -> (B, N, h, w)."""
        for application in range(self.depth):
            smooth = self.conv(logits.flatten(0, 1).unsqueeze(1)).reshape(logits.shape)
            if self.adds_max:
                smooth = smooth + logits.amax(1, keepdim=True)
            logits = smooth if application == self.depth - 1 else self.activation(smooth)
        return logits


def kernel_of(regularizer: nn.Module) -> tuple[float, ...]:
    """The 9 weights and 1 bias of a regulariser; none without it."""
    parameters = [each.detach().flatten().tolist() for each in regularizer.parameters()]
    return tuple(number for numbers in parameters for number in numbers)


def build_regularizer(config: RegularizerConfig) -> nn.Module:
    """The regulariser a configuration names; identity for kind 'none' or depth 0."""
    if config.kind == "none" or config.depth == 0:
        return nn.Identity()
    return SpatialRegularizer(config.kind, config.depth, config.activation)
