"""The graph that is exported: a picture's bytes and embedded labels in; masks and what they are made of out.

Everything between the picture and the masks is inside, so that a program in any language runs it knowing nothing of
this one: normalisation, encoder, decoder, correlation, spatial regularisation, upsampling, arg-max and softmax. The
text tower stays outside: labels are embedded once per label set.
"""

import torch
from torch import Tensor, nn

from lseg_cli.model.correlation import compact
from lseg_cli.model.decision import softmax, winner
from lseg_cli.model.decoder import upsample2
from lseg_cli.model.lseg import LSeg
from lseg_export.precision import Dtypes


class Graph(nn.Module):
    """What `lseg_cli.contract.GraphSpec` describes, as one module."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: LSeg, dtypes: Dtypes) -> None:
        """`dtypes` are those of the model's encoder and decoder; all else is float32."""
        super().__init__()
        self.model = model
        self.dtypes = dtypes
        self.register_buffer("mean", torch.tensor(model.config.image.mean)[:, None, None] * 255)
        self.register_buffer("std", torch.tensor(model.config.image.std)[:, None, None] * 255)

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, ...]:
        """(B, H, W, 3) uint8, (N, C) -> the outputs of `GraphSpec`, in their order."""
        # To float before the transposition: TensorRT's parser refuses to transpose bytes.
        pixels = (image.float().permute(0, 3, 1, 2) - self.mean) / self.std
        levels = self.model.encoder(pixels.to(self.dtypes.encoder))
        features = self.model.decoder([level.to(self.dtypes.decoder) for level in levels]).float()
        scores = self.model.score(features, text)
        logits = upsample2(scores)
        return logits, winner(logits), softmax(logits), scores, compact(features)
