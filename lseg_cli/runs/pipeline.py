"""Pictures one after another through the four steps, each in threads of its own: the engine never waits for a disk.

    load (read, decode, preprocess) -> infer, in batches of one shape -> finish (postprocess, encode, write)

A GPU runs in the thread that iterates. On a CPU pictures are inferred side by side, each by a core or a few, in the
threads that finish them: a core to itself does half as much again as its share of many that wait for each other. What
is in flight is bounded, in pictures and in pixels, so memory depends neither on how many there are nor on which step is
the slowest. Results come in the order of the pictures.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2

from lseg_cli.errors import DataError, MemoryFullError
from lseg_cli.results.records import Failed, Item
from lseg_cli.runs.pixel_budget import PixelBudget
from lseg_cli.runs.steps import FULL_MEMORY, A, L, Steps

R = TypeVar("R")


class _End:
    """What comes after the last item."""


_END = _End()

MOST_PIXELS = 64_000_000  # in flight; a larger picture goes alone
_NICENESS = 10  # of threads beside an engine on the CPU: they get a tenth of a core when both want it
_POLL_S = 0.01


@dataclass
class _Flight(Generic[L, R]):
    """A picture on its way."""

    turn: int
    item: Item
    loading: "Future[L | Failed]"
    loaded: L | None = None
    finishing: "Future[R | Failed] | None" = None

    def land(self, result: R | Failed) -> None:
        """It ends here."""
        self.finishing = Future()
        self.finishing.set_result(result)


class Pipeline(Generic[L, A, R]):
    """Carries out the steps of many pictures at once.

    Attributes:
        batch: pictures of one shape that the engine gets at once, at most; halved when its memory is full.
    """

    def __init__(self, steps: Steps[L, A, R], workers: int, note: Callable[[str], None], streams: int = 1) -> None:
        """Binds the steps; nothing begins yet.

        Args:
            steps: what is done with a picture.
            workers: threads that load, and as many that finish.
            note: receives what the user should know.
            streams: pictures that the engine gets side by side, each in a batch of one; 1: one batch after another.
        """
        if streams > 1 and steps.batch > 1:
            raise ValueError("streams are of single pictures")
        self.batch = steps.batch
        self._steps = steps
        self._workers = workers
        self._streams = streams
        self._note = note
        self._budget = PixelBudget(MOST_PIXELS)
        self._turns = 0  # items so far
        self._must_look = False  # more items may come, and none has for now
        self._flights: deque[_Flight[L, R]] = deque()  # all, in order
        self._coming: deque[_Flight[L, R]] = deque()  # those that are being loaded
        self._waiting: list[_Flight[L, R]] = []  # loaded, for others of their shape

    def run(self, items: Iterable[Item | None], should_stop: Callable[[], bool]) -> Iterator[R | Failed]:
        """Results in the order of the items; once `should_stop` says so, only of those in flight.

        Args:
            items: None among them where more may come, and none has for now.
            should_stop: asked between items.

        Raises:
            LsegError: what would stop every picture, such as a full disk.
        """
        coming = iter(items)
        self._turns = 0
        with self._threads() as (readers, writers):
            while True:
                if should_stop():
                    coming = iter(())
                    self._forget_what_is_not_begun()
                self._fill(coming, readers)
                if self._coming:
                    self._receive(writers)
                elif self._waiting:  # no more to come for now: batches go as they are
                    self._infer(self._mates(self._waiting[0]), writers)
                elif not self._flights and not self._must_look:
                    return
                yield from self._landed(must_wait=not self._coming and not self._waiting and not self._must_look)

    @property
    def device(self) -> str:
        """The device that infers."""
        return self._steps.device

    @property
    def precision(self) -> str:
        """The precision of its arithmetic."""
        return self._steps.precision

    @contextmanager
    def _threads(self) -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
        yields = _be_nice if self._steps.device == "cpu" else None
        infers = self._streams > 1
        before = cv2.getNumThreads()
        cv2.setNumThreads(1)  # pictures are side by side already, and OpenCV's own threads would not be nice
        self._budget.open()
        with (
            ThreadPoolExecutor(self._workers, "load", yields) as readers,
            ThreadPoolExecutor(
                self._streams if infers else self._workers, "finish", None if infers else yields
            ) as writers,
        ):
            try:
                yield readers, writers
            finally:
                self._budget.close()
                for pool in (readers, writers):
                    pool.shutdown(wait=False, cancel_futures=True)
                cv2.setNumThreads(before)

    def _forget_what_is_not_begun(self) -> None:
        while self._coming and self._coming[-1].loading.cancel():
            self._coming.pop()
            self._flights.pop()

    def _fill(self, coming: Iterator[Item | None], readers: ThreadPoolExecutor) -> None:
        self._must_look = False
        # A batch that is loaded, one in the engine and one that is finished; and what threads have in hand.
        while len(self._flights) < 3 * max(self.batch, self._streams) + 2 * self._workers:
            item = next(coming, _END)
            self._must_look = item is None
            if item is None or isinstance(item, _End):
                return
            turn, self._turns = self._turns, self._turns + 1
            flight: _Flight[L, R] = _Flight(turn, item, readers.submit(self._load, turn, item))
            self._flights.append(flight)
            self._coming.append(flight)

    def _load(self, turn: int, item: Item) -> L | Failed:
        try:
            loaded = self._steps.load(item, lambda pixels: self._budget.enter(turn, pixels))
        finally:
            self._budget.enter(turn, 0)  # what is not a picture has not asked
        if not isinstance(loaded, Failed) and loaded.held_px is not None:
            self._budget.shrink(turn, loaded.held_px)
        return loaded

    def _receive(self, writers: ThreadPoolExecutor) -> None:
        """Takes the next loaded picture; runs a batch when it is full, or when memory waits for it."""
        flight = self._coming[0]
        while self._waiting and not wait([flight.loading], _POLL_S).done:
            if self._budget.is_full:
                return self._infer(self._mates(self._waiting[0]), writers)
        self._coming.popleft()
        loaded = flight.loading.result()
        if isinstance(loaded, Failed):
            self._budget.leave(flight.turn)
            return flight.land(loaded)
        flight.loaded = loaded
        self._waiting.append(flight)
        mates = self._mates(flight)
        if len(mates) >= self.batch:
            self._infer(mates, writers)
        return None

    def _mates(self, flight: _Flight[L, R]) -> list[_Flight[L, R]]:
        """Those that wait and have its shape, at most a batch of them."""
        shape = flight.loaded and flight.loaded.shape
        mates = [each for each in self._waiting if each.loaded and each.loaded.shape == shape]
        return mates[: self.batch]

    def _infer(self, batch: list[_Flight[L, R]], writers: ThreadPoolExecutor) -> None:
        self._waiting = [each for each in self._waiting if each not in batch]
        loaded = [each.loaded for each in batch if each.loaded is not None]
        if self._streams > 1:
            flight, one = batch[0], loaded[0]
            flight.loaded = None
            flight.finishing = writers.submit(self._infer_and_finish, flight, one)
            return None
        self._await_writers()
        try:
            answers = self._steps.infer(loaded)
        except (MemoryFullError, MemoryError) as error:
            if len(batch) == 1:
                return self._give_up(batch, error)
            self.batch = (len(batch) + 1) // 2
            self._note(f"The memory is full with {len(batch)} pictures at once; going on with {self.batch}.")
            while batch:
                some, batch = batch[: self.batch], batch[self.batch :]
                self._infer(some, writers)  # may halve it again
            return None
        except DataError as error:
            return self._give_up(batch, error)
        for flight, one, answer in zip(batch, loaded, answers, strict=True):
            flight.loaded = None  # the picture goes when it is finished, not when its turn comes
            flight.finishing = writers.submit(self._finish, flight.turn, one, answer)
        return None

    def _await_writers(self) -> None:
        """Until no more than a batch waits to be finished: with a thousand labels an answer takes a quarter of a GB."""
        finishing = [each.finishing for each in self._flights if each.finishing is not None]
        while len(finishing := [each for each in finishing if not each.done()]) > self.batch:
            wait(finishing, return_when=FIRST_COMPLETED)

    def _infer_and_finish(self, flight: _Flight[L, R], loaded: L) -> R | Failed:
        try:
            (answer,) = self._steps.infer([loaded])
        except (DataError, MemoryFullError, MemoryError) as error:
            self._budget.leave(flight.turn)
            return _failed(flight.item, error)
        return self._finish(flight.turn, loaded, answer)

    def _finish(self, turn: int, loaded: L, answer: A) -> R | Failed:
        try:
            return self._steps.finish(loaded, answer)
        finally:
            self._budget.leave(turn)

    def _give_up(self, batch: list[_Flight[L, R]], error: Exception) -> None:
        for flight in batch:
            self._budget.leave(flight.turn)
            flight.loaded = None
            flight.land(_failed(flight.item, error))

    def _landed(self, must_wait: bool) -> Iterator[R | Failed]:
        """Results of the first in order that are there; with `must_wait` at least one."""
        while self._flights:
            finishing = self._flights[0].finishing
            if finishing is None or not (finishing.done() or must_wait):
                return
            self._flights.popleft()
            must_wait = False
            yield finishing.result()


def _failed(item: Item, error: Exception) -> Failed:
    return Failed(str(item.source.path), "infer", str(error) or FULL_MEMORY)


def _be_nice() -> None:
    """Lets this thread alone yield to the engine's, where the system can (Linux)."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
