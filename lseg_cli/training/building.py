"""The model as training starts it: encoder weights as the recipe says, a random decoder, less memory if asked."""

from pathlib import Path

import torch

from lseg_cli.config import ModelConfig
from lseg_cli.errors import LsegError
from lseg_cli.model.checkpoint import KEPT, TOWER, load_weights, read_tensors
from lseg_cli.model.encoder import ViTEncoder
from lseg_cli.model.lseg import LSeg, build


def build_for_training(config: ModelConfig, encoder_weights: str, checkpointing: bool = False, start: str = "") -> LSeg:
    """Build a model with the weights that a recipe names: of a whole model, or of its encoder alone.

    Args:
        config: of the model.
        encoder_weights: see `TrainConfig`.
        start: a model's file; its weights are taken over whole.
        checkpointing: the encoder's blocks keep their inputs alone, and run once more in the backward pass.

    Raises:
        DataError: the file of `start` is missing.
        LsegError: the weights are missing or fit another encoder; an encoder that cannot be checkpointed.
    """
    model = build(config, pretrained=encoder_weights == "timm")
    if start:
        load_weights(model, read_tensors(Path(start), skip=(TOWER, KEPT))[0], start)
    if encoder_weights not in ("", "timm"):
        state, _ = read_tensors(Path(encoder_weights))
        backbone = model.encoder.vit if config.encoder.kind == "vit" else model.encoder.backbone
        if not isinstance(backbone, torch.nn.Module):
            raise TypeError("an encoder holds its backbone as a module")
        load_weights(backbone, {k: v for k, v in state.items() if k in backbone.state_dict()}, encoder_weights)
    if checkpointing:
        if not isinstance(model.encoder, ViTEncoder):  # each BatchNorm would count every batch twice
            raise LsegError(
                f"Checkpointing is for ViT encoders, and {config.name} has {config.encoder.name}: leave it out."
            )
        model.encoder.vit.set_grad_checkpointing(True)
    return model
