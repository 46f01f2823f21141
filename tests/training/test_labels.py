import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lseg_cli.config import LabelConfig
from lseg_cli.data.mixing import Batch
from lseg_cli.data.transforms import PADDING
from lseg_cli.training.labels import IGNORE, LabelSampler, StepLabels, Words

WIDTH, NEGATIVES = 16, 30


def make_words(classes: int, ignore: int = 255) -> Words:
    """Random embeddings: of the classes and 'other', of two other words for each, and of what is not there."""
    generator = torch.Generator().manual_seed(classes)
    vectors = torch.randn(3 * (classes + 1) + NEGATIVES, WIDTH, generator=generator)
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    own, near, negatives = vectors.split([classes + 1, 2 * (classes + 1), NEGATIVES])
    weights = torch.arange(1.0, classes + 1)
    return Words(own, near.split(2), negatives, weights, ignore)


def make_batch(ids: Tensor, step: int = 0, dataset: int = 0) -> Batch:
    return Batch(
        step, dataset, torch.zeros(1, 3, 1, ids.numel(), dtype=torch.uint8), ids.to(torch.int16).view(1, 1, -1)
    )


def row_of(words: Words, vector: Tensor) -> int:
    """Which class (or 'other', the last) an embedding is, in its own or another word; -1 if it is of none."""
    for row, (own, near) in enumerate(zip(words.classes, words.near, strict=True)):
        if any(torch.allclose(vector, said, atol=1e-5) for said in (own, *near)):
            return row
    return -1


labels_configs = st.builds(
    LabelConfig,
    max_labels=st.integers(2, 300),
    subset=st.sampled_from([0.0, 0.5, 1.0]),
    other=st.sampled_from([0.0, 0.5, 1.0]),
    paraphrase=st.sampled_from([0.0, 0.5, 1.0]),
    negatives=st.sampled_from([0, 1, 8]),
)


@settings(deadline=None, max_examples=80)
@given(labels_configs, st.integers(1, 12), st.integers(0, 50), st.data())
def test_every_id_means_its_own_label_other_or_nothing(
    config: LabelConfig, classes: int, step: int, data: st.DataObject
) -> None:
    words = make_words(classes)
    ids = data.draw(st.lists(st.sampled_from([*range(classes), 255, PADDING]), min_size=1, max_size=20))
    labels = LabelSampler([words], config, seed=3).sample(make_batch(torch.tensor(ids), step))
    said = [row_of(words, vector) for vector in labels.text]
    asked = len(said) - config.negatives
    assert labels.weights.shape == (len(said),)
    assert labels.lookup.shape == (257,)
    assert labels.lookup[PADDING] == IGNORE
    assert (labels.lookup[classes:255] == IGNORE).all()
    assert -1 not in said[:asked]
    assert said[asked:] == [-1] * config.negatives
    assert said[:asked] == sorted(set(said[:asked]))  # no label twice, 'other' last
    other = asked - 1 if said[asked - 1] == classes else IGNORE
    for label_id in range(classes):
        own = said.index(label_id) if label_id in said else other
        assert labels.lookup[label_id] == own
    assert labels.lookup[255] == other
    torch.testing.assert_close(labels.text.norm(dim=1), torch.ones(len(said)))
    expected = [1.0 if row in (-1, classes) else row + 1.0 for row in said]
    assert labels.weights.tolist() == expected


def sample(config: LabelConfig, ids: list[int], classes: int = 9, step: int = 0) -> tuple[StepLabels, list[int]]:
    words = make_words(classes)
    labels = LabelSampler([words], config, seed=0).sample(make_batch(torch.tensor(ids), step))
    return labels, [row_of(words, vector) for vector in labels.text]


def test_without_wishes_the_labels_are_the_data_sets() -> None:
    labels, said = sample(LabelConfig(), [0, 3, 255])
    assert said == list(range(9))
    assert labels.lookup[:9].tolist() == list(range(9))
    assert labels.lookup[255] == IGNORE


def test_labels_in_the_batch_come_before_others() -> None:
    for step in range(20):
        _, said = sample(LabelConfig(max_labels=4), [1, 5, 8, 255], step=step)
        assert len(said) == 4
        assert {1, 5, 8} <= set(said)


def test_no_present_label_is_dropped_without_a_subset() -> None:
    _, said = sample(LabelConfig(max_labels=2), [0, 1, 2, 3, 4])
    assert said == [0, 1, 2, 3, 4]


def test_a_subset_drops_present_labels_and_keeps_company() -> None:
    config = LabelConfig(subset=1.0, other=1.0)
    kept = [set(sample(config, [0, 1, 2], step=step)[1]) for step in range(60)]
    assert all(9 in said for said in kept)  # 'other'
    assert any(not {0, 1, 2} <= said for said in kept)
    assert any({0, 1, 2} <= said for said in kept)
    assert any(said & {3, 4, 5, 6, 7, 8} for said in kept)


def test_a_subset_of_one_class_works() -> None:
    for step in range(20):
        _, said = sample(LabelConfig(subset=1.0), [0, 0, 255], classes=1, step=step)
        assert said in ([0], [1], [0, 1])


def test_a_batch_whose_labels_are_all_dropped_has_other() -> None:
    batches = [sample(LabelConfig(subset=1.0, max_labels=2), [0], classes=1, step=step) for step in range(200)]
    assert all(len(said) > 0 for _, said in batches)


def test_another_ignored_id_is_that_of_its_data_set() -> None:
    words = [make_words(3), make_words(4, ignore=200)]
    sampler = LabelSampler(words, LabelConfig(other=1.0), seed=0)
    labels = sampler.sample(make_batch(torch.tensor([0, 200, 255]), dataset=1))
    assert len(labels.text) == 5
    assert labels.lookup[200] == 4
    assert labels.lookup[255] == IGNORE


def test_more_classes_than_8_bits_hold_have_their_places() -> None:
    words = make_words(520, ignore=520)
    batch = make_batch(torch.tensor([0, 255, 256, 519, 520, PADDING]))
    labels = LabelSampler([words], LabelConfig(max_labels=4, other=1.0), seed=0).sample(batch)
    said = [row_of(words, vector) for vector in labels.text]
    assert said == [0, 255, 256, 519, 520]  # the last is 'other'
    assert labels.lookup[batch.masks.long()].flatten().tolist() == [0, 1, 2, 3, 4, IGNORE]


def test_paraphrases_are_of_the_same_label() -> None:
    words = make_words(5)
    sampler = LabelSampler([words], LabelConfig(paraphrase=1.0), seed=0)
    said = {row: set[int]() for row in range(5)}
    for step in range(30):
        for row, vector in enumerate(sampler.sample(make_batch(torch.tensor([0]), step)).text):
            said[row].add(int((words.near[row] @ vector).argmax()))
            assert float((words.near[row] @ vector).max()) == pytest.approx(1, abs=1e-5)
    assert all(choices == {0, 1} for choices in said.values())


def test_noise_turns_an_embedding_by_its_strength() -> None:
    words = make_words(5)
    sampler = LabelSampler([words], LabelConfig(noise=0.3), seed=0)
    cosines = torch.cat(
        [(sampler.sample(make_batch(torch.tensor([0]), step)).text * words.classes[:5]).sum(1) for step in range(40)]
    )
    assert float(cosines.max()) < 1
    assert float(cosines.min()) >= (1 - 0.3**2) ** 0.5 - 1e-5  # at right angles to the result, at most
    assert float(cosines.mean()) == pytest.approx(1 / (1 + 0.3**2) ** 0.5, abs=0.01)


def test_labels_depend_on_seed_step_and_batch_alone() -> None:
    config = LabelConfig(subset=0.5, other=0.5, paraphrase=0.5, noise=0.2, negatives=3)
    words = [make_words(9)]

    def text(seed: int, step: int) -> Tensor:
        return LabelSampler(words, config, seed).sample(make_batch(torch.tensor([0, 4]), step)).text

    torch.manual_seed(0)
    first = text(1, 7)
    text(1, 8)
    torch.manual_seed(1)
    assert torch.equal(text(1, 7), first)
    assert not torch.equal(text(1, 8)[:1], first[:1])
    assert not torch.equal(text(2, 7)[:1], first[:1])
