import copy
from typing import Any

import pytest
import torch

from lseg_cli.config import ModelConfig
from lseg_cli.errors import LsegError
from lseg_cli.training.building import build_for_training
from lseg_cli.training.objective import Objective


def test_checkpointing_changes_no_gradient_and_runs_every_block_twice(vit_config: ModelConfig) -> None:
    torch.manual_seed(0)
    plain = build_for_training(vit_config, "")
    spared = build_for_training(vit_config, "", checkpointing=True)
    spared.load_state_dict(copy.deepcopy(plain.state_dict()))
    pixels, text = torch.randn(2, 3, 64, 64), torch.randn(3, 16)
    target = torch.randint(3, (2, 64, 64))
    calls: list[list[Any]] = []
    for model in (plain, spared):
        calls.append([])
        for block in model.encoder.vit.blocks:  # type: ignore[union-attr]
            block.attn.register_forward_pre_hook(lambda *_, seen=calls[-1]: seen.append(1))
        Objective(model, 2, 0)(pixels, text, target, torch.ones(3)).backward()
    assert len(calls[1]) == 2 * len(calls[0]) == 2 * (vit_config.encoder.taps[-1] + 1)
    for one, other in zip(plain.parameters(), spared.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad)


def test_a_pyramid_is_not_checkpointed(pyramid_config: ModelConfig) -> None:
    with pytest.raises(LsegError, match="tiny-pyramid has test_efficientnet: leave it out"):
        build_for_training(pyramid_config, "", checkpointing=True)
