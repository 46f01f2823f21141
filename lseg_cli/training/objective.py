"""The loss: pixel-wise softmax cross-entropy over the labels of the step (section 3 of the paper)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lseg_cli.config import TEMPERATURE
from lseg_cli.model.correlation import correlate
from lseg_cli.model.decoder import upsample2_each
from lseg_cli.model.lseg import LSeg
from lseg_cli.training.labels import IGNORE

_TINY = 1e-6  # a batch without any labelled pixel gives 0, not 0 / 0


class Objective(nn.Module):
    """Model and loss in one module, so that one `forward` is what data-parallel training wraps."""

    def __init__(
        self,
        model: LSeg,
        stride: int,
        alignment: float,
        classes: nn.Module | None = None,
        teacher: LSeg | None = None,
        keep: float = 0.0,
    ) -> None:
        """Puts a model, and class vectors if they are trained, under one loss.

        Args:
            model: to train.
            stride: 1: loss at full resolution; 2: before the last upsampling.
            alignment: weight of the cosine term.
            teacher: the model that training began with, which stays as it is.
            keep: weight of the distance to the teacher's pixel embeddings.
            classes: what makes (N, C) label vectors of the `text` that `forward` gets; None: it is used as it is.
        """
        super().__init__()
        self.model = model
        self.classes = nn.Identity() if classes is None else classes
        self.stride = stride
        self.alignment = alignment
        self.keep = keep
        self._teacher = (teacher,)  # hidden from `parameters`, `state_dict` and `train`: nothing of it changes

    def forward(
        self, pixels: Tensor, text: Tensor, target: Tensor, weights: Tensor, masses: Tensor | None = None
    ) -> Tensor:
        """Mean loss over the pixels that have a label; 0 if none has.

        Args:
            pixels: (B, 3, H, W) normalised.
            text: (N, C); with class vectors what they take.
            target: (B, H, W) int64 labels, or IGNORE.
            weights: (N,) of each label.
            masses: (2,) of the whole of which this is a part, be it of other processes; None: of these pixels alone.
        """
        mass, half_mass = (label_masses(target, weights, self.stride) if masses is None else masses).clamp_min(_TINY)
        features = self.model.features(pixels)
        logits = correlate(features, self.classes(text))
        scores = self.model.regularizer(logits)
        half = target[:, ::2, ::2]
        if self.stride == 1:
            loss: Tensor = _cross_entropy(upsample2_each(scores), target, weights) / mass
        else:
            loss = _cross_entropy(scores, half, weights) / mass
        if self.alignment:
            # Cross-entropy asks only for a margin over the other labels, so an embedding may lie far from its word as
            # long as it lies farther from the others; then other words for the same thing miss it.
            right = logits.gather(1, half.clamp_min(0).unsqueeze(1)).squeeze(1) * TEMPERATURE
            loss = loss + self.alignment * ((1 - right) * _mass(half, weights)).sum() / half_mass
        if self.keep:
            loss = loss + self.keep * self._distance(features, pixels)
        return loss

    def _distance(self, features: Tensor, pixels: Tensor) -> Tensor:
        """Mean of 1 - cosine to the teacher's embeddings: (B, C, h, w), (B, 3, H, W) -> ().

        What a pixel says of words that this step does not ask for stays as it was (learning without forgetting, Li and
        Hoiem, ECCV 2016, in the embedding).
        """
        (teacher,) = self._teacher
        if teacher is None:
            raise ValueError("a distance to keep needs a teacher")
        with torch.no_grad():
            before = teacher.features(pixels)
        return (1 - F.cosine_similarity(features, before, dim=1)).mean()


def label_masses(target: Tensor, weights: Tensor, stride: int) -> Tensor:
    """What the labelled pixels count together: (2,), for the cross-entropy and for the cosine term; as `forward`."""
    half = target[:, ::2, ::2]
    return torch.stack([_mass(each, weights).sum() for each in (target if stride == 1 else half, half)])


def _cross_entropy(scores: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    total: Tensor = F.cross_entropy(scores, target, weights, ignore_index=IGNORE, reduction="sum")
    return total


def _mass(target: Tensor, weights: Tensor) -> Tensor:
    """(B, H, W): what each pixel counts; 0 without a label."""
    return torch.where(target == IGNORE, 0.0, weights[target.clamp_min(0)])
