"""Labels that are dropped could not have won: masks are those of all labels, whatever the kernel."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lseg_cli.config import RegularizerConfig
from lseg_cli.errors import DataError, MismatchError
from lseg_cli.inference.domination import undominated
from lseg_cli.inference.many_labels import ManyLabels, all_labels, are_many, best_labels, mean_confidence
from lseg_cli.inference.pruning import MANY, survivors
from lseg_cli.inference.score_field import Regularizer, ScoreField, Words
from lseg_cli.inference.upsampling import upsample_best
from lseg_cli.model.correlation import correlate
from lseg_cli.model.regularizer import SpatialRegularizer

Floats = NDArray[np.float32]
KERNELS = st.tuples(*[st.floats(-0.5, 0.5, width=32)] * 10)


def make_field(
    seed: int, labels: int, regularizer: Regularizer, height: int = 16, width: int = 24, scale: float = 1
) -> ScoreField:
    """Smooth features with an edge, and labels of which some are equal and some nearly so."""
    random = np.random.default_rng(seed)
    coarse = random.standard_normal((3, 4, 12)).astype(np.float32)
    features = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    features[:, width // 2 :] += random.standard_normal(12).astype(np.float32)
    text = random.standard_normal((labels, 12)).astype(np.float32)
    text[labels // 2] = text[0]
    text[-1] = text[labels // 3] * np.float32(1 + 1e-6)
    return ScoreField(np.asarray(scale * features.transpose(2, 0, 1), np.float32), Words(text), regularizer)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), labels=st.sampled_from([2, 30, 300, 2100]), scale=st.sampled_from([1e-3, 1, 1e3]))
def test_what_is_dominated_is_never_the_best(seed: int, labels: int, scale: float) -> None:
    field = make_field(seed, labels, Regularizer(), scale=scale)
    size = (45, 61)
    pruned, plain = best_labels(field, size, 1), best_labels(field, size, 1, choose=all_labels)
    assert pruned.tobytes() == plain.tobytes()


def test_what_is_between_two_things_is_dominated_by_both() -> None:
    """At an edge no label is above all others everywhere, but the mean of the two that meet there is."""
    random = np.random.default_rng(0)
    text = np.linalg.qr(random.standard_normal((40, 40)))[0].astype(np.float32)
    features = np.repeat(text[[3, 17]], (8, 8), axis=0).T[:, None].repeat(16, 1)
    field = ScoreField(features, Words(text), Regularizer())
    assert undominated(field, slice(0, 32), slice(0, 32)).tolist() == [3, 17]


@settings(deadline=None, max_examples=60)
@given(
    kernel=KERNELS,
    seed=st.integers(0, 10**6),
    depth=st.integers(0, 4),
    activation=st.sampled_from(["lrelu", "relu", "tanh"]),
    adds_max=st.booleans(),
    count=st.integers(1, 3),
    labels=st.sampled_from([4, 30, MANY]),
)
def test_masks_are_those_of_all_labels(
    kernel: tuple[float, ...],
    seed: int,
    depth: int,
    activation: str,
    adds_max: bool,
    count: int,
    labels: int,
) -> None:
    regularizer = Regularizer(depth, kernel[:9], kernel[9], activation, adds_max)
    field = make_field(seed, labels, regularizer)
    size = (45, 61)
    pruned = best_labels(field, size, count)
    plain = best_labels(field, size, count, choose=all_labels)
    assert pruned.dtype == plain.dtype
    assert np.array_equal(pruned, plain)


@settings(deadline=None, max_examples=40)
@given(kernel=KERNELS, seed=st.integers(0, 10**6), depth=st.integers(0, 3), adds_max=st.booleans())
def test_scores_have_the_same_bits_whatever_is_asked_beside_them(
    kernel: tuple[float, ...], seed: int, depth: int, adds_max: bool
) -> None:
    field = make_field(seed, 40, Regularizer(depth, kernel[:9], kernel[9], "lrelu", adds_max))
    rows, columns = slice(3, 21), slice(0, 17)
    whole = field.scores(field.all, slice(0, 32), slice(0, 48))
    kept = survivors(field, rows, columns, 1)
    assert np.array_equal(field.scores(kept, rows, columns), whole[rows, columns][..., kept])


def test_few_labels_are_left_where_one_is_far_ahead() -> None:
    random = np.random.default_rng(0)
    text = random.standard_normal((1000, 64)).astype(np.float32)
    features = np.broadcast_to(text[17][:, None, None], (64, 16, 16)) + 0.01 * random.standard_normal((64, 16, 16))
    field = ScoreField(features.astype(np.float32), Words(text), Regularizer())
    assert survivors(field, slice(0, 32), slice(0, 32), 1).tolist() == [17]
    assert len(survivors(field, slice(0, 32), slice(0, 32), 3)) < 20


@pytest.mark.parametrize("kind", ["depthwise", "bottleneck"])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_scores_are_the_networks_but_for_what_labels_share(kind: str, depth: int) -> None:
    torch.manual_seed(depth)
    module = SpatialRegularizer("bottleneck" if kind == "bottleneck" else "depthwise", depth)
    kernel = tuple(float(x) for each in module.parameters() for x in each.detach().flatten())
    config = RegularizerConfig(kind="bottleneck" if kind == "bottleneck" else "depthwise", depth=depth)
    random = np.random.default_rng(depth)
    features = random.standard_normal((16, 9, 12)).astype(np.float32)
    text = random.standard_normal((7, 16)).astype(np.float32)
    with torch.no_grad():
        theirs = module(correlate(torch.from_numpy(features)[None], torch.from_numpy(text)))[0].numpy()
    field = ScoreField(features, Words(text), Regularizer.of(config, kernel))
    ours = field.scores(field.all, slice(0, 18), slice(0, 24)).transpose(2, 0, 1)
    assert np.abs((ours - ours.mean(0)) - (theirs - theirs.mean(0))).max() < 2e-5


def test_best_labels_are_those_of_the_scores() -> None:
    field = make_field(5, 30, Regularizer())
    scores = np.ascontiguousarray(field.scores(field.all, slice(0, 32), slice(0, 48)).transpose(2, 0, 1))
    for count in (1, 3):
        theirs, _ = upsample_best(scores, (50, 70), count, with_probability=False)
        assert np.array_equal(best_labels(field, (50, 70), count, threads=2), theirs)


def test_the_mean_confidence_is_that_of_some_scores() -> None:
    field = make_field(6, 30, Regularizer())
    scores = field.scores(field.all, slice(0, 32), slice(0, 48)).astype(np.float64)
    shares = np.exp(scores.max(2)) / np.exp(scores).sum(2)
    rows, columns = np.linspace(0, 31, 8).astype(int), np.linspace(0, 47, 8).astype(int)
    assert mean_confidence(field) == pytest.approx(shares[np.ix_(rows, columns)].mean(), rel=1e-5)


def test_what_cannot_be_scored_is_refused() -> None:
    words = Words(np.eye(4, dtype=np.float32))
    with pytest.raises(MismatchError, match="5 wide"):
        ScoreField(np.ones((5, 8, 8), np.float32), words, Regularizer())
    with pytest.raises(DataError, match="not a number"):
        ScoreField(np.full((4, 8, 8), np.nan, np.float32), words, Regularizer())
    with pytest.raises(DataError, match="10 numbers"):
        ManyLabels(np.eye(4, dtype=np.float32), RegularizerConfig(kind="depthwise", depth=1), ())


def test_a_softmax_needs_all_labels() -> None:
    assert are_many(10_000, with_probability=False)
    assert not are_many(10_000, with_probability=True)
    assert not are_many(3, with_probability=False)
