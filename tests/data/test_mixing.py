import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lseg_cli.config import AugmentConfig, DataRef
from lseg_cli.data.datasets import Dataset, open_dataset
from lseg_cli.data.images import Picture
from lseg_cli.data.masks import Ids
from lseg_cli.data.mixing import MixSchedule, Pick, batches, seeded
from lseg_cli.data.transforms import PADDING
from lseg_cli.errors import DataError, MissingError
from tests.data.miniatures import FOLDED, MAKERS

AUGMENT = AugmentConfig(base_px=96, crop_px=64)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 13), st.integers(1, 5), st.integers(0, 2**31))
def test_every_picture_comes_once_before_any_comes_twice(size: int, batch: int, seed: int) -> None:
    steps = 3 * size
    schedule = MixSchedule([size], [1.0], batch, steps, seed)
    shown = [pick.index for step in range(steps) for pick in schedule.picks(step)]
    for epoch in range(len(shown) // size):
        assert sorted(shown[epoch * size : (epoch + 1) * size]) == list(range(size))


def test_in_a_mix_too_every_picture_of_a_set_comes_before_any_comes_twice() -> None:
    schedule = MixSchedule([5, 7], [3.0, 1.0], 2, 100, 0)
    for dataset, size in enumerate((5, 7)):
        shown = [p.index for step in range(100) for p in schedule.picks(step) if p.dataset == dataset]
        assert sorted(shown[:size]) == sorted(shown[size : 2 * size]) == list(range(size))


def test_epochs_and_seeds_have_different_orders() -> None:
    orders = {
        tuple(MixSchedule([20], [1.0], 20, 2, seed).picks(step)[slot].index for slot in range(20))
        for seed in (0, 1)
        for step in (0, 1)
    }
    assert len(orders) == 4


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=5), st.integers(1, 60))
def test_every_set_has_its_share_at_any_time(weights: list[float], steps: int) -> None:
    schedule = MixSchedule([9] * len(weights), weights, 4, steps, 0)
    taken = Counter(pick.dataset for step in range(steps) for pick in schedule.picks(step))
    for dataset, weight in enumerate(weights):
        assert abs(taken[dataset] / 4 - steps * weight / sum(weights)) < max(1.0, len(weights) / 2)


def test_a_batch_comes_from_one_set() -> None:
    schedule = MixSchedule([5, 7, 9], [1.0, 2.0, 3.0], 4, 60, 0)
    assert all(len({pick.dataset for pick in schedule.picks(step)}) == 1 for step in range(60))
    assert {schedule.picks(step)[0].dataset for step in range(60)} == {0, 1, 2}


@pytest.mark.parametrize("start", [0, 1, 7, 12])
def test_starting_in_the_middle_gives_the_same_picks(start: int) -> None:
    whole = list(MixSchedule([5, 7], [1.0, 2.0], 3, 12, 4))
    resumed = MixSchedule([5, 7], [1.0, 2.0], 3, 12, 4, start)
    assert list(resumed) == whole[start:]
    assert len(resumed) == 12 - start


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_a_batch_without_overlap(processes: int) -> None:
    parts: list[list[list[Pick]]] = []
    for rank in range(processes):
        parts.append(list(MixSchedule([5, 7], [1.0, 2.0], 6, 10, 0, rank=rank, processes=processes)))
    whole = MixSchedule([5, 7], [1.0, 2.0], 6, 10, 0)
    for step in range(10):
        shares = [part[step] for part in parts]
        assert {len(share) for share in shares} == {6 // processes}
        assert sorted((p for share in shares for p in share), key=lambda p: p.slot) == whole.picks(step)


def test_batches_are_the_schedules_and_equal_from_any_start(mini: Path) -> None:
    datasets = [open_dataset(DataRef(path=str(mini), split=split)) for split in ("train", "val")]
    schedule = MixSchedule([4, 2], [2.0, 1.0], 2, 6, 0)
    whole = list(batches(datasets, schedule, AUGMENT, workers=0))
    assert [batch.step for batch in whole] == list(range(6))
    assert [batch.dataset for batch in whole] == [schedule.picks(step)[0].dataset for step in range(6)]
    assert all(batch.images.shape == (2, 3, 64, 64) and batch.masks.shape == (2, 64, 64) for batch in whole)
    later = batches(datasets, replace(schedule, start=3), AUGMENT, workers=0)
    for resumed, batch in zip(later, whole[3:], strict=True):
        assert resumed.step == batch.step
        assert torch.equal(resumed.images, batch.images)
        assert torch.equal(resumed.masks, batch.masks)


def test_all_known_sets_mix(tmp_path: Path) -> None:
    """Read, checked, augmented and batched as a folder is."""
    datasets = [
        open_dataset(DataRef(path=name, root=str(make(tmp_path / name)), fold=0 if name in FOLDED else None))
        for name, make in MAKERS.items()
    ]
    count = len(datasets)
    schedule = MixSchedule([len(dataset) for dataset in datasets], [1.0] * count, 2, count, 0)
    mixed = list(batches(datasets, schedule, AUGMENT, workers=0))
    assert sorted(batch.dataset for batch in mixed) == list(range(count))
    for batch in mixed:
        dataset = datasets[batch.dataset]
        assert set(np.unique(batch.masks.numpy()).tolist()) <= {*range(len(dataset.classes)), dataset.ignore, PADDING}
        assert len(np.unique(batch.masks.numpy())) > 1


def test_a_process_augments_its_part_as_one_process_would(mini: Path) -> None:
    dataset = open_dataset(DataRef(path=str(mini)))
    whole = next(iter(batches([dataset], MixSchedule([4], [1.0], 4, 1, 0), AUGMENT, workers=0)))
    for rank in (0, 1):
        schedule = MixSchedule([4], [1.0], 4, 1, 0, rank=rank, processes=2)
        part = next(iter(batches([dataset], schedule, AUGMENT, workers=0)))
        assert torch.equal(part.images, whole.images[rank::2])
        assert torch.equal(part.masks, whole.masks[rank::2])


def test_a_seed_depends_on_all_its_numbers_and_their_order() -> None:
    triples = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2**31, 5, 5)]
    drawn = {int(torch.randint(2**62, (), generator=seeded(*numbers))) for numbers in triples}
    assert len(drawn) == len(triples)
    assert int(torch.randint(2**62, (), generator=seeded(0, 0, 0))) in drawn


def test_a_tiny_shared_memory_is_enough(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker gives 64 MB: tensors of workers do not go through it."""
    monkeypatch.setattr(torch.multiprocessing.reductions, "reduce_storage", _no_shared_memory)
    dataset = open_dataset(DataRef(path=str(mini)))
    schedule = MixSchedule([4], [1.0], 4, 2, 0)
    here = list(batches([dataset], schedule, AUGMENT, workers=0))
    for there, batch in zip(batches([dataset], schedule, AUGMENT, workers=1), here, strict=True):
        assert torch.equal(there.images, batch.images)
        assert torch.equal(there.masks, batch.masks)


def _no_shared_memory(_storage: object) -> None:
    raise RuntimeError("unable to allocate shared memory(shm)")


class _Deadly(Dataset):
    def open(self, index: int) -> tuple[Picture, Ids]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError(index)


def test_a_dead_worker_ends_the_run_with_a_sentence(mini: Path) -> None:
    dataset = open_dataset(DataRef(path=str(mini)))
    deadly = _Deadly(dataset.name, dataset.classes, dataset.ignore, dataset.images, dataset.masks)
    with pytest.raises(MissingError, match=r"A process that reads pictures has died .*with -j 1, or none with -j 0"):
        list(batches([deadly], MixSchedule([4], [1.0], 4, 1, 0), AUGMENT, workers=1))


def test_a_picture_that_cannot_be_read_is_named_by_a_worker_too(mini: Path) -> None:
    dataset = open_dataset(DataRef(path=str(mini)))
    for path in dataset.images:
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="holds no picture of a known format"):
        list(batches([dataset], MixSchedule([4], [1.0], 4, 1, 0), AUGMENT, workers=1))


def test_where_nothing_can_be_seen_nothing_is_taught(mini: Path) -> None:
    dataset = open_dataset(DataRef(path=str(mini)))
    for path in dataset.images:
        with Image.open(path) as image:
            clear = image.convert("RGBA")
        clear.putalpha(0)
        clear.save(path)
    (batch,) = batches([dataset], MixSchedule([4], [1.0], 4, 1, 0), AUGMENT, workers=0)
    assert set(np.unique(batch.masks.numpy())) == {PADDING}
