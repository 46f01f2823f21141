"""The arithmetic of the plain formulation, against a count of that formulation run as it stands."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from lseg_cli.bench.flops import plain_flops
from lseg_cli.config import PRESETS, ModelConfig
from lseg_cli.model.decoder import Fusion, upsample2
from lseg_cli.model.lseg import LSeg, build


def run_plainly(model: LSeg, pixels: Tensor, text: Tensor) -> Tensor:
    """As the paper has it: upsample, then the 1x1 convolutions, then every pixel times every word."""
    decoder, path = model.decoder, None
    levels = list(model.encoder(pixels))
    for level, project, fuse in zip(reversed(levels), reversed(decoder.project), reversed(decoder.fuse), strict=True):  # type: ignore[arg-type]
        assert isinstance(fuse, Fusion)
        joined = project(level)
        if fuse.skip is not None and path is not None:
            joined = path + fuse.skip(joined)
        path = fuse.out(upsample2(fuse.unit(joined)))
    embeddings = F.normalize(decoder.head(path), dim=1)  # type: ignore[operator]
    return torch.einsum("bchw,nc->bnhw", embeddings, text)


@pytest.mark.parametrize("labels", [1, 3, 150])
@pytest.mark.parametrize("name", ["vit_config", "pyramid_config"])
def test_it_is_what_the_plain_formulation_does(name: str, labels: int, request: pytest.FixtureRequest) -> None:
    config: ModelConfig = request.getfixturevalue(name)
    model = build(config).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        run_plainly(model, torch.rand(1, 3, 64, 96), torch.rand(labels, config.text.width))
    counts = {str(operator): count for operator, count in counter.get_flop_counts()["Global"].items()}
    correlation = 2 * 32 * 48 * config.text.width * labels
    # Batched products are the correlation and those of attention, which are left out.
    expected = sum(count for operator, count in counts.items() if operator in ("aten.convolution", "aten.addmm"))
    regularizer = 2 * 32 * 48 * 9 * labels * config.regularizer.depth
    assert plain_flops(config, 64, 96, labels) == expected + correlation + regularizer


def test_the_paper_s_model_takes_720_gflop() -> None:
    assert plain_flops(PRESETS["lseg-vitl16"], 480, 480, 3) == pytest.approx(720e9, rel=1e-3)
