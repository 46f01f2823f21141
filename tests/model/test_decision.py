import torch

from lseg_cli.model.decision import softmax, winner


def logits(labels: int) -> torch.Tensor:
    return torch.randn(2, labels, 5, 7, generator=torch.Generator().manual_seed(labels)) * 10


def test_the_winner_is_the_greatest_and_its_share_its_softmax() -> None:
    for labels in (1, 2, 150):
        index = winner(logits(labels))
        assert torch.equal(index, logits(labels).argmax(1).int())
        torch.testing.assert_close(softmax(logits(labels)), logits(labels).softmax(1).amax(1))


def test_large_logits_do_not_overflow() -> None:
    large = logits(7) * 1000
    assert softmax(large).isfinite().all()


def test_what_is_not_a_number_stays_so() -> None:
    broken = logits(3)
    broken[0, 1, 2, 3] = float("nan")
    share = softmax(broken)
    assert share[0, 2, 3].isnan()
    assert share.isnan().sum() == 1
