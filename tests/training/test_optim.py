import pytest
import torch

from lseg_cli.config import DataRef, ModelConfig, OptimizerConfig, TrainConfig
from lseg_cli.model.lseg import LSeg, build
from lseg_cli.training.optim import build_optimizer, rate_factor, set_rates


@pytest.fixture(params=["vit", "pyramid"])
def model(request: pytest.FixtureRequest, vit_config: ModelConfig, pyramid_config: ModelConfig) -> LSeg:
    return build({"vit": vit_config, "pyramid": pyramid_config}[request.param])


def train_config(epochs: int = 5, **optimizer: object) -> TrainConfig:
    return TrainConfig(data=(DataRef(path="x"),), epochs=epochs, optimizer=OptimizerConfig.model_validate(optimizer))


def by_name(model: LSeg, optimizer: torch.optim.Optimizer, key: str) -> dict[str, float]:
    """A setting of every parameter's group; each parameter is in one."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    pairs = [(names[id(p)], float(group[key])) for group in optimizer.param_groups for p in group["params"]]
    assert len(pairs) == len(dict(pairs)) == len(names)
    return dict(pairs)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_all_but_the_backbone_learns_ten_times_as_fast(model: LSeg, name: str) -> None:
    optimizer = build_optimizer(model, OptimizerConfig.model_validate({"name": name, "learning_rate": 0.002}))
    for parameter, rate in by_name(model, optimizer, "lr").items():
        is_backbone = parameter.startswith(("encoder.vit.", "encoder.backbone."))
        assert rate == pytest.approx(0.002 if is_backbone else 0.02)
    assert optimizer.param_groups[-1]["lr"] == pytest.approx(0.02)  # what a step reports


def test_the_papers_sgd_has_its_momentum_and_decays_everything(model: LSeg) -> None:
    optimizer = build_optimizer(model, OptimizerConfig())
    assert isinstance(optimizer, torch.optim.SGD)
    assert set(by_name(model, optimizer, "weight_decay").values()) == {1e-4}
    assert set(by_name(model, optimizer, "momentum").values()) == {0.9}


def test_adamw_decays_no_norm_and_no_bias(model: LSeg) -> None:
    optimizer = build_optimizer(model, OptimizerConfig(name="adamw", weight_decay=0.01))
    assert isinstance(optimizer, torch.optim.AdamW)
    shapes = {name: parameter.ndim for name, parameter in model.named_parameters()}
    for parameter, decay in by_name(model, optimizer, "weight_decay").items():
        assert decay == (0.01 if shapes[parameter] > 1 else 0)


def test_the_rate_falls_to_zero_as_a_polynomial_of_the_step() -> None:
    config = train_config(epochs=5)
    for step in range(50):
        assert rate_factor(step, 10, config) == pytest.approx((1 - step / 50) ** 0.9)
    assert rate_factor(0, 10, config) == 1
    assert rate_factor(50, 10, config) == 0


def test_the_rate_can_fall_epoch_by_epoch() -> None:
    config = train_config(epochs=5, decay_per="epoch", power=2.0)
    for step in range(50):
        assert rate_factor(step, 10, config) == pytest.approx((1 - (step // 10) / 5) ** 2)


def test_a_warm_up_rises_to_the_decay_and_ends() -> None:
    plain, warm = train_config(), train_config(warmup_steps=4)
    shares = [rate_factor(step, 10, warm) / rate_factor(step, 10, plain) for step in range(6)]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_rates_are_set_from_their_base_and_not_from_the_last(model: LSeg) -> None:
    optimizer = build_optimizer(model, OptimizerConfig(learning_rate=0.1))
    base = [float(group["lr"]) for group in optimizer.param_groups]
    for factor in (0.5, 0.25):
        set_rates(optimizer, base, factor)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([rate * factor for rate in base])
