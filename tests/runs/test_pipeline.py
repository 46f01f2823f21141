"""Many pictures at once: in order, in batches, within bounds, and nothing is lost."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lseg_cli.data.finding import Source
from lseg_cli.errors import DataError, LsegError, MemoryFullError
from lseg_cli.results.records import Done, Failed, Item, Stamp
from lseg_cli.runs.pictures import LoadedPicture
from lseg_cli.runs.pipeline import Pipeline
from lseg_cli.runs.pixel_budget import PixelBudget
from lseg_cli.runs.segment import Inferred


def item(number: int) -> Item:
    return Item(Source(Path(f"{number}.png"), Path(), f"{number}.png"), str(number))


class FakeSteps:
    """Every third picture has another shape, every seventh is broken; notes what happens."""

    device, precision = "cpu", "fp32"

    def __init__(self, most_batch: int = 99, keeps_picture: bool = True, batch: int = 1) -> None:
        self.batch = batch
        self.most_batch = most_batch
        self.picture = Image.new("RGB", (1, 1)) if keeps_picture else None
        self.batches: list[list[str]] = []
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()

    def count(self, step: int) -> None:
        with self.lock:
            self.in_flight += step
            self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def load(self, item: Item, admit: Callable[[int], None]) -> LoadedPicture | Failed:
        number = int(item.name)
        time.sleep(0.002 * (number % 3))
        if number % 7 == 6:
            return Failed(f"{number}.png", "decode", "broken")
        height = 10_000 if number % 5 or self.picture is None else 100_000
        admit(height * 1000)
        self.count(1)
        image = np.zeros((1, 32, 64 if number % 3 else 32, 3), np.uint8)
        return LoadedPicture(item, Stamp(""), (height, 1000), image, self.picture, {})

    def infer(self, batch: Sequence[LoadedPicture]) -> list[Inferred]:
        if len(batch) > self.most_batch:
            raise MemoryFullError("The memory of cuda:0 is full.")
        assert len({each.image.shape for each in batch}) == 1
        self.batches.append([each.item.name for each in batch])
        return [Inferred(np.zeros((1, 1, 1), np.float32), None, 0.0) for _ in batch]

    def finish(self, loaded: LoadedPicture, answer: Inferred) -> Done | Failed:
        time.sleep(0.001)
        self.count(-1)
        return Done(f"{loaded.item.name}.png", "", 1, 1, {}, 0.0, 0.5, {})


def run(
    steps: FakeSteps,
    count: int,
    workers: int = 3,
    should_stop: Callable[[], bool] = lambda: False,
    streams: int = 1,
) -> tuple[list[str], list[str]]:
    """Sources in the order of their results, and notices."""
    notices: list[str] = []
    pipeline = Pipeline(steps, workers, notices.append, streams)
    return [result.source for result in pipeline.run(map(item, range(count)), should_stop)], notices


@pytest.mark.parametrize(("batch", "streams"), [(1, 1), (2, 1), (4, 1), (1, 3)])
def test_results_come_in_order_and_none_is_missing(batch: int, streams: int) -> None:
    steps = FakeSteps(batch=batch)
    assert run(steps, 100, streams=streams)[0] == [f"{number}.png" for number in range(100)]
    assert steps.in_flight == 0
    assert max(map(len, steps.batches)) == batch


@pytest.mark.parametrize("streams", [1, 2])
def test_what_is_in_flight_is_bounded(streams: int) -> None:
    steps = FakeSteps()
    run(steps, 200, workers=2, streams=streams)
    assert steps.most_in_flight <= 6  # 64 of 10 megapixels


def test_pictures_that_are_not_kept_leave_room_for_full_batches() -> None:
    steps = FakeSteps(keeps_picture=False, batch=8)
    run(steps, 200)
    assert max(map(len, steps.batches)) == 8
    assert 8 < steps.most_in_flight <= 25  # a quarter of 10 megapixels each


def test_a_device_waits_for_those_who_write() -> None:
    class Slow(FakeSteps):
        """Notes how many answers there are when the next batch is inferred."""

        waiting = 0
        most_waiting = 0

        def infer(self, batch: Sequence[LoadedPicture]) -> list[Inferred]:
            self.most_waiting = max(self.most_waiting, self.waiting)
            with self.lock:
                self.waiting += len(batch)
            return super().infer(batch)

        def finish(self, loaded: LoadedPicture, answer: Inferred) -> Done | Failed:
            time.sleep(0.02)
            with self.lock:
                self.waiting -= 1
            return super().finish(loaded, answer)

    steps = Slow(keeps_picture=False, batch=4)
    run(steps, 100, workers=2)
    assert 1 < steps.most_waiting <= 4


def test_a_full_device_halves_the_batch_and_goes_on() -> None:
    steps = FakeSteps(most_batch=2, keeps_picture=False, batch=8)
    sources, notices = run(steps, 40)
    assert len(sources) == 40
    assert max(map(len, steps.batches)) == 2
    assert notices[0].startswith("The memory is full with ")
    assert len(notices) <= 2


def test_streams_are_inferred_at_the_same_time() -> None:
    class Meeting(FakeSteps):
        """Nobody passes before three are there."""

        barrier = threading.Barrier(3, timeout=30)

        def infer(self, batch: Sequence[LoadedPicture]) -> list[Inferred]:
            self.barrier.wait()
            return super().infer(batch)

        def load(self, item: Item, admit: Callable[[int], None]) -> LoadedPicture | Failed:
            return LoadedPicture(item, Stamp(""), (1, 1), np.zeros((1, 32, 32, 3), np.uint8), None, {})

    assert len(run(Meeting(), 12, streams=3)[0]) == 12


@pytest.mark.parametrize("streams", [1, 2])
def test_a_picture_that_does_not_fit_alone_fails_alone(streams: int) -> None:
    class Tight(FakeSteps):
        def infer(self, batch: Sequence[LoadedPicture]) -> list[Inferred]:
            if batch[0].item.name == "2":
                raise MemoryFullError("The memory of cuda:0 is full at 2x2 pixels.")
            if batch[0].item.name == "4":
                raise DataError("It cannot be run.")
            return super().infer(batch)

    pipeline = Pipeline(Tight(), 2, print, streams)
    results = list(pipeline.run(map(item, range(6)), lambda: False))
    failed = [(each.source, each.stage, each.error) for each in results if isinstance(each, Failed)]
    assert failed == [
        ("2.png", "infer", "The memory of cuda:0 is full at 2x2 pixels."), ("4.png", "infer", "It cannot be run."),
    ]  # fmt: skip


@pytest.mark.parametrize("streams", [1, 2])
def test_a_stop_finishes_what_is_in_flight(streams: int) -> None:
    steps = FakeSteps()
    asked = iter(range(10_000))
    sources, _ = run(steps, 500, should_stop=lambda: next(asked) > 20, streams=streams)
    assert 10 < len(sources) < 100
    assert sources == [f"{number}.png" for number in range(len(sources))]
    assert steps.in_flight == 0


@pytest.mark.parametrize("streams", [1, 2])
def test_what_stops_every_picture_stops_the_run(streams: int) -> None:
    class Full(FakeSteps):
        def finish(self, loaded: LoadedPicture, answer: Inferred) -> Done | Failed:
            if loaded.item.name == "8":
                raise LsegError("The disk is full.")
            return super().finish(loaded, answer)

    before = threading.active_count()
    with pytest.raises(LsegError, match="The disk is full"):
        run(Full(), 10_000, streams=streams)
    for _ in range(100):
        if threading.active_count() <= before:
            return
        time.sleep(0.05)
    pytest.fail("Some threads go on.")


class TestPixelBudget:
    def test_a_large_picture_waits_until_it_is_alone(self) -> None:
        budget, order = PixelBudget(100), list[str]()
        budget.open()
        budget.enter(0, 60)
        budget.enter(0, 0)  # does nothing

        def enter(turn: int, pixels: int, name: str) -> None:
            budget.enter(turn, pixels)
            order.append(name)

        large = threading.Thread(target=enter, args=(1, 500, "large"))
        small = threading.Thread(target=enter, args=(2, 1, "small"))
        small.start()
        large.start()
        while not budget.is_full:
            time.sleep(0.001)
        assert order == []
        budget.leave(0)
        large.join()
        assert order == ["large"]
        budget.leave(1)
        small.join()
        assert order == ["large", "small"]

    def test_a_picture_that_shrinks_lets_others_in(self) -> None:
        budget = PixelBudget(100)
        budget.open()
        budget.enter(0, 90)
        budget.shrink(0, 20)
        budget.enter(1, 80)
        waiting = threading.Thread(target=budget.enter, args=(2, 1))
        waiting.start()
        while not budget.is_full:
            time.sleep(0.001)
        budget.shrink(1, 79)
        waiting.join(10)
        assert not waiting.is_alive()

    def test_nobody_waits_at_a_closed_one(self) -> None:
        budget = PixelBudget(1)
        budget.open()
        waiting = threading.Thread(target=budget.enter, args=(5, 1))
        waiting.start()
        budget.close()
        waiting.join(10)
        assert not waiting.is_alive()
