"""LSeg (figure 2 of the paper): pixels and words meet in one embedding space.

picture -> encoder -> decoder -> pixel embeddings --+
                                                    +-- correlation -> regulariser -> x2 -> logits
labels  -> text encoder (frozen, elsewhere) --------+
"""

from torch import Tensor, nn

from lseg_cli.config import SIZE_MULTIPLE, ModelConfig
from lseg_cli.errors import LsegError
from lseg_cli.model.correlation import correlate, unit_upsample
from lseg_cli.model.decoder import DPTDecoder, ReadoutDecoder, upsample2_each
from lseg_cli.model.encoder import build_encoder
from lseg_cli.model.regularizer import build_regularizer


class LSeg(nn.Module):
    """The image side of LSeg and its meeting with the words. Text comes in as embeddings: labels are free."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, regularizer: nn.Module, config: ModelConfig) -> None:
        """Joins the parts of Figure 2.

        Args:
            encoder: gives maps at strides 4 to 32.
            decoder: gives embeddings at stride 4.
            regularizer: keeps shapes.
            config: what travels with the weights.
        """
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.regularizer = regularizer
        self.config = config

    def forward(self, pixels: Tensor, text: Tensor) -> Tensor:
        """Logits at the size of the input.

        Args:
            pixels: (B, 3, H, W) normalised float; H and W multiples of 32.
            text: (N, C) label embeddings, any length.

        Returns:
            (B, N, H, W) logits; equal for a permuted `text` but for the order.
        """
        return upsample2_each(self.score(self.features(pixels), text))

    def features(self, pixels: Tensor) -> Tensor:
        """Pixel embeddings before upsampling and unit length: (B, 3, H, W) -> (B, C, H / 4, W / 4)."""
        features: Tensor = self.decoder(self.encoder(pixels))
        return features

    def encode(self, pixels: Tensor) -> Tensor:
        """The dense embedding of the paper: (B, 3, H, W) -> (B, C, H / 2, W / 2), unit length along C."""
        return unit_upsample(self.features(pixels))

    def score(self, features: Tensor, text: Tensor) -> Tensor:
        """Regularised logits at half the size: (B, C, H / 4, W / 4), (N, C) -> (B, N, H / 2, W / 2)."""
        scores: Tensor = self.regularizer(correlate(features, text))
        return scores


def build(config: ModelConfig, pretrained: bool = False) -> LSeg:
    """A model as configured, with random weights, or with timm's ImageNet weights in its encoder.

    Raises:
        LsegError: the encoder does not exist or cannot be tapped as configured.
    """
    try:
        encoder = build_encoder(config.encoder, pretrained)
    except Exception as error:  # timm raises what it stumbles over: TypeError, IndexError, the hub's errors, ...
        raise LsegError(f"The encoder {config.encoder.name} of {config.name} cannot be built: {error}") from error
    decoder = (
        ReadoutDecoder(encoder.channels, config.decoder_widths, config.text.width)
        if config.decoder_widths
        else DPTDecoder(encoder.channels, config.decoder_width, config.text.width)
    )
    return LSeg(encoder, decoder, build_regularizer(config.regularizer), config)


def check_size(height_px: int, width_px: int) -> None:
    """Raises LsegError unless both sides are positive multiples of 32."""
    if min(height_px, width_px) < SIZE_MULTIPLE or height_px % SIZE_MULTIPLE or width_px % SIZE_MULTIPLE:
        raise LsegError(f"The input is {height_px} x {width_px}; both sides must be multiples of {SIZE_MULTIPLE}.")
