import pytest
import torch

from lseg_cli.config import PRESETS, ModelConfig
from lseg_cli.errors import LsegError
from lseg_cli.model.decoder import upsample2
from lseg_cli.model.lseg import LSeg, build, check_size


@pytest.fixture(params=["vit", "pyramid"])
def model(request: pytest.FixtureRequest, vit_config: ModelConfig, pyramid_config: ModelConfig) -> LSeg:
    torch.manual_seed(0)
    return build({"vit": vit_config, "pyramid": pyramid_config}[request.param]).eval()


@pytest.mark.parametrize("labels", [1, 2, 3, 150, 257])
@torch.no_grad()
def test_any_number_of_labels_gives_logits_at_the_inputs_size(model: LSeg, labels: int) -> None:
    text = torch.randn(labels, 16)
    assert model(torch.randn(2, 3, 64, 96), text).shape == (2, labels, 64, 96)
    assert model(torch.randn(1, 3, 32, 32), text).shape == (1, labels, 32, 32)


@pytest.mark.parametrize("labels", [2, 3, 150, 257])
@torch.no_grad()
def test_permuted_labels_permute_the_logits(model: LSeg, labels: int) -> None:
    pixels, text, order = torch.randn(1, 3, 64, 96), torch.randn(labels, 16), torch.randperm(labels)
    logits, permuted = model(pixels, text), model(pixels, text[order])
    assert torch.equal(permuted, logits[:, order])


@torch.no_grad()
def test_a_picture_does_not_depend_on_its_neighbours_in_the_batch(model: LSeg) -> None:
    pixels, text = torch.randn(3, 3, 64, 64), torch.randn(4, 16)
    torch.testing.assert_close(model(pixels, text)[1:2], model(pixels[1:2], text), atol=2e-5, rtol=0)


@torch.no_grad()
def test_the_steps_of_figure_2_make_the_whole(model: LSeg) -> None:
    pixels, text = torch.randn(1, 3, 64, 96), torch.randn(4, 16)
    features = model.features(pixels)
    assert features.shape == (1, 16, 16, 24)
    dense = model.encode(pixels)
    assert dense.shape == (1, 16, 32, 48)
    torch.testing.assert_close(dense.norm(dim=1), torch.ones(1, 32, 48))
    cosines = torch.einsum("bchw,nc->bnhw", dense, text / text.norm(dim=1, keepdim=True))
    torch.testing.assert_close(model.regularizer(cosines / 0.07), model.score(features, text), atol=5e-4, rtol=0)
    assert torch.equal(model(pixels, text), upsample2(model.score(features, text)))


@torch.no_grad()
def test_running_a_model_leaves_it_as_it_was(model: LSeg) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model(torch.randn(1, 3, 64, 64), torch.randn(4, 16))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS.keys())
def test_presets_build_and_survive_json(config: ModelConfig) -> None:
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
    with torch.device("meta"):  # shapes without numbers: the largest has 340 million of them
        model = build(config)
        logits = model.eval()(torch.empty(1, 3, 64, 32), torch.empty(3, config.text.width))
    assert logits.shape == (1, 3, 64, 32)
    assert model.config == config


@pytest.mark.parametrize("size", [(0, 32), (32, 0), (-32, 32), (32, 33), (31, 64), (480, 500)])
def test_other_sizes_than_multiples_of_32_are_told(size: tuple[int, int]) -> None:
    with pytest.raises(LsegError, match=f"{size[0]} x {size[1]}; both sides must be multiples of 32"):
        check_size(*size)


def test_multiples_of_32_are_taken() -> None:
    check_size(32, 32)
    check_size(480, 640)
