import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lseg_cli.config import ModelConfig
from lseg_cli.model.lseg import LSeg, build
from lseg_cli.training.labels import IGNORE
from lseg_cli.training.objective import Objective

LABELS = 4


@pytest.fixture
def model(pyramid_config: ModelConfig) -> LSeg:
    torch.manual_seed(0)
    return build(pyramid_config).eval()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Pixels, text and target; a fifth of the target has no label."""
    torch.manual_seed(1)
    target = torch.randint(0, LABELS, (2, 64, 96))
    target[torch.rand(2, 64, 96) < 0.2] = IGNORE
    return torch.randn(2, 3, 64, 96), torch.randn(LABELS, 16), target


Weights = list[float]


@pytest.mark.parametrize("weights", [[1.0] * LABELS, [0.5, 2.0, 1.0, 8.0]], ids=["plain", "weighted"])
def test_the_loss_is_cross_entropy_at_full_resolution(
    model: LSeg, batch: tuple[Tensor, Tensor, Tensor], weights: Weights
) -> None:
    pixels, text, target = batch
    loss = Objective(model, 1, 0.0)(pixels, text, target, torch.tensor(weights))
    torch.testing.assert_close(loss, F.cross_entropy(model(pixels, text), target, torch.tensor(weights)))


@pytest.mark.parametrize("weights", [[1.0] * LABELS, [0.5, 2.0, 1.0, 8.0]], ids=["plain", "weighted"])
def test_the_loss_is_cross_entropy_at_half_the_resolution(
    model: LSeg, batch: tuple[Tensor, Tensor, Tensor], weights: Weights
) -> None:
    pixels, text, target = batch
    loss = Objective(model, 2, 0.0)(pixels, text, target, torch.tensor(weights))
    scores = model.score(model.features(pixels), text)
    torch.testing.assert_close(loss, F.cross_entropy(scores, target[:, ::2, ::2], torch.tensor(weights)))


@pytest.mark.parametrize("stride", [1, 2])
def test_alignment_adds_the_distance_to_the_right_label(
    model: LSeg, batch: tuple[Tensor, Tensor, Tensor], stride: int
) -> None:
    pixels, text, target = batch
    weights = torch.tensor([0.5, 2.0, 1.0, 8.0])
    plain = Objective(model, stride, 0.0)(pixels, text, target, weights)
    aligned = Objective(model, stride, 2.5)(pixels, text, target, weights)
    cosines = torch.einsum("bchw,nc->bhwn", model.encode(pixels), F.normalize(text, dim=1))
    half = target[:, ::2, ::2]
    right = half != IGNORE
    distances = 1 - cosines[right].gather(1, half[right][:, None])[:, 0]
    mass = weights[half[right]]
    torch.testing.assert_close(aligned - plain, 2.5 * (distances * mass).sum() / mass.sum(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_batch_without_a_label_costs_nothing_and_teaches_nothing(
    model: LSeg, batch: tuple[Tensor, Tensor, Tensor], stride: int
) -> None:
    pixels, text, target = batch
    loss = Objective(model, stride, 1.0)(pixels, text, torch.full_like(target, IGNORE), torch.ones(LABELS))
    loss.backward()
    assert float(loss.detach()) == 0
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert gradients
    assert not any(gradient.any() for gradient in gradients)  # NaN counts as something


@pytest.mark.parametrize("stride", [1, 2])
def test_every_part_of_the_model_learns(model: LSeg, batch: tuple[Tensor, Tensor, Tensor], stride: int) -> None:
    pixels, text, target = batch
    Objective(model.train(), stride, 1.0)(pixels, text, target, torch.ones(LABELS)).backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert idle == []
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_ignored_pixels_do_not_count(model: LSeg, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    pixels, text, target = batch
    target = target.clone()
    target[1] = IGNORE
    both = Objective(model, 1, 1.0)(pixels, text, target, torch.ones(LABELS))
    first = Objective(model, 1, 1.0)(pixels[:1], text, target[:1], torch.ones(LABELS))
    torch.testing.assert_close(both, first)
