"""A run on many processes or machines: Ray Data hands pictures to workers, each with an engine of its own.

The process of the run keeps the journal and the output folder's lock; workers write masks only. A worker that dies is
started again and given its pictures again, whose files it replaces by the same. Results come in the order of the
pictures. No usage statistics are sent and no dashboard is started.
"""

import importlib.util
import logging
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lseg_cli.errors import LsegError, MissingError
from lseg_cli.results.records import Item, Result
from lseg_cli.runs.ray.worker import Answer, Plan, RayWorker, Work, dump_items

PACKAGE = "ray"

_MOST_THREADS = 4  # of a worker on the CPU: more of them do less for one picture than for two
_MOST_READERS = 16  # threads beside a GPU
_MOST_ITEMS = 16  # that a worker gets at a time: what is done again when it dies
_MOST_CHUNKS = 20_000
_IN_FLIGHT = 2  # handfuls a worker has, one of them to begin with at once
_OBJECT_STORE_BYTES = 100_000_000  # of a cluster of our own: names and records, no pictures
_POLL_S = 0.2
_ANSWER_S = 5.0


class RayCluster:
    """Carries out the steps of many pictures, as `Pipeline` does, elsewhere.

    The address that the options name is that of a cluster; 'local': one of this machine alone, for this run; 'auto':
    the one that RAY_ADDRESS names or that runs here, else 'local'.

    Attributes:
        device: the workers, and theirs once one of them has reported it.
        precision: as asked for, until a worker reports its own.
    """

    def __init__(self, work: Work, scratch: Path, note: Callable[[str], None]) -> None:
        """Binds the work; nothing is connected yet.

        Args:
            work: what each worker does.
            scratch: a folder to be made and removed, which all workers share.
            note: receives what the user should know.
        """
        self.device, self.precision = PACKAGE, str(work.choice.precision)
        self._work = work
        self._scratch = scratch
        self._note = note

    def run(self, items: Iterable[Item | None], should_stop: Callable[[], bool]) -> Iterator[Result]:
        """Results in the order of the items; once `should_stop` says so, only of those that were begun.

        Raises:
            LsegError: what would stop every picture, such as a full disk.
            MissingError: there is no such cluster, or it is gone.
        """
        found = [item for item in items if item is not None]
        if not found:
            return
        options = self._work.options
        with _connected(str(options.ray), options.ray_workers or 1) as ray:
            try:
                threads, workers, resources = find_room(ray, self._work)
                plan = Plan(self._work, threads, self._scratch, str(Path.cwd()))
                self.device = f"{workers} {'worker' if workers == 1 else 'workers'} of Ray"
                with _watched(plan, should_stop):
                    idle = 0
                    for answer in _answers(ray, found, workers, plan, resources):
                        yield from self._take(answer, workers)
                        idle += bool(answer.left and not answer.records)
                        if idle > _IN_FLIGHT * workers:  # whatever had been begun has come
                            return
            except ray.exceptions.RayTaskError:  # a bug of ours
                raise
            except ray.exceptions.RayError as error:
                reason = str(error).strip().splitlines()[0]
                raise MissingError(f"The Ray cluster failed ({reason}); the same command goes on.") from error

    def _take(self, answer: Answer, workers: int) -> tuple[Result, ...]:
        if answer.error:
            error = LsegError(answer.error)
            error.exit_code = answer.exit_code
            raise error
        for notice in answer.notices:
            self._note(notice)
        if answer.device:
            self.device = f"{workers} {'worker' if workers == 1 else 'workers'} of Ray, on {answer.device}"
            self.precision = answer.precision
        return answer.records


def find_room(ray: Any, work: Work) -> tuple[int, int, dict[str, float]]:
    """Threads of a worker, how many workers, and what each of them takes of the cluster.

    Args:
        ray: connected to the cluster.
        work: what each worker does.

    Raises:
        MissingError: GPUs are asked for and there are none.
    """
    choice, asked = work.choice, work.options.ray_workers
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = int(sum(machine.get("GPU", 0) for machine in machines))
    if choice.device.startswith("cuda") and not gpus:
        raise MissingError("No machine of the Ray cluster has a GPU; take --device cpu, or add one.")
    if gpus and choice.device in ("auto", "cuda"):
        cores_per_gpu = (int(each.get("CPU", 0) // each["GPU"]) for each in machines if each.get("GPU", 0) >= 1)
        share = max(1, min((_MOST_READERS, *cores_per_gpu)))
        return choice.threads or share, asked or gpus, {"num_cpus": share, "num_gpus": 1}
    cores = [int(machine.get("CPU", 0)) for machine in machines]
    share = max(1, sum(cores) // asked) if asked else _MOST_THREADS
    threads = choice.threads or max(1, min(share, _MOST_THREADS, max(cores, default=1)))
    return threads, asked or max(1, sum(each // threads for each in cores)), {"num_cpus": threads}


def require_ray(address: str, device: str) -> None:
    """Before anything costly.

    Raises:
        MissingError: Ray is not installed, or nobody answers at the address.
        LsegError: a device that a worker cannot take.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise MissingError("--ray needs Ray, which is not installed; pip install 'lseg-cli[ray]'.")
    if device.startswith("cuda:"):
        raise LsegError(f"--device {device} cannot be had with --ray, which gives each worker a GPU; take cuda.")
    if address in ("auto", "local"):
        return
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        socket.create_connection((parts.hostname, parts.port or 0), _ANSWER_S).close()  # Ray itself waits for minutes
    except (OSError, ValueError) as error:
        raise MissingError(
            f"There is no Ray cluster at {address} ({error}); write host:port, or --ray auto, which starts one here."
        ) from error


@contextmanager
def _connected(address: str, workers: int) -> Iterator[Any]:
    """Ray, connected to a cluster; one that was started for it ends with the block.

    Raises:
        MissingError: there is no such cluster.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its processes speak on our stderr
    import ray  # noqa: PLC0415  seconds
    import ray.data  # noqa: PLC0415  logs as soon as it is told to

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    own: dict[str, Any] = {
        "address": "local",
        "num_cpus": max(workers, os.cpu_count() or 1),
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
    }
    before = signal.getsignal(signal.SIGTERM)
    try:
        try:
            ray.init(**(own if address == "local" else {"address": address}), **options)
        except ConnectionError:
            if address != "auto":
                raise
            ray.init(**own, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no answer"
        raise MissingError(f"There is no Ray cluster at {address} ({reason}); --ray auto starts one here.") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray takes it over
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _watched(plan: Plan, should_stop: Callable[[], bool]) -> Iterator[None]:
    """Let workers stop as soon as the run is to stop, even while it waits for one of them."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL_S):
            if should_stop():
                plan.stop.touch()
                return

    plan.scratch.mkdir(exist_ok=True)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        shutil.rmtree(plan.scratch, ignore_errors=True)


def _answers(
    ray: Any, items: Sequence[Item], workers: int, plan: Plan, resources: dict[str, float]
) -> Iterator[Answer]:
    """One per handful of pictures, in their order."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    count = max(1, min(_MOST_ITEMS, len(items) // (4 * workers)), len(items) // _MOST_CHUNKS)
    firsts = range(0, len(items), count)
    rows = [{"number": first, "items": dump_items(items[first : first + count])} for first in firsts]
    answers = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        RayWorker,
        fn_constructor_args=(plan,),
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=_IN_FLIGHT),
        **resources,
    )
    for batch in answers.iter_batches(batch_size=None, prefetch_batches=0):
        yield from map(Answer.load, batch["answer"])
