import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import distributed, nn

from lseg_cli.training.batchnorm import SharedBatchNorm, synchronise


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    """A group of one process: its mean is everyone's."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.fixture(params=["plain", "with an activation"])
def norm(request: pytest.FixtureRequest) -> nn.BatchNorm2d:
    torch.manual_seed(0)
    made = nn.BatchNorm2d(3) if request.param == "plain" else BatchNormAct2d(3, act_layer=nn.SiLU)
    for tensor in (made.weight, made.bias, made.running_mean, made.running_var):
        nn.init.uniform_(tensor, 0.5, 2.0)  # type: ignore[arg-type]
    return made


@pytest.mark.usefixtures("alone")
def test_it_does_what_a_batchnorm_does(norm: nn.BatchNorm2d) -> None:
    shared = SharedBatchNorm(copy.deepcopy(norm))
    assert shared.state_dict().keys() == norm.state_dict().keys()
    x = torch.randn(4, 3, 5, 6) * 2 + 1
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    for module, given in zip((norm, shared), inputs, strict=True):
        module(given).square().sum().backward()
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, atol=1e-4, rtol=1e-4)
    for name, parameter in norm.named_parameters():
        torch.testing.assert_close(shared.get_parameter(name).grad, parameter.grad, atol=1e-4, rtol=1e-4)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(shared.get_buffer(name), norm.get_buffer(name))
    torch.testing.assert_close(shared.eval()(x), norm.eval()(x))


def test_every_batchnorm_of_a_model_is_replaced_and_none_of_its_weights() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.BatchNorm2d(4), BatchNormAct2d(4)))
    before = dict(model.named_parameters())
    synchronise(model, torch.device("cpu"))
    assert sum(isinstance(module, SharedBatchNorm) for module in model.modules()) == 2
    assert all(parameter is before[name] for name, parameter in model.named_parameters())
