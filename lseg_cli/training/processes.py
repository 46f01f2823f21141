"""Several processes on one run, and their devices: accelerate, where what it passes over in silence is an error."""

import os
from datetime import timedelta

from accelerate import Accelerator, InitProcessGroupKwargs
from torch import distributed

from lseg_cli.config import TrainConfig
from lseg_cli.errors import MissingError

_PATIENCE = timedelta(hours=6)  # of processes that wait while one of them validates


def open_accelerator(config: TrainConfig) -> Accelerator:
    """The device and precision of a run, joined with the other processes of its launcher.

    It is not told of `accumulate`: it would divide the loss once more than the loop does.

    Raises:
        MissingError: a device that is not here; fp16 on a CPU; a launcher that has started one process in the place of
            several.
    """
    accelerator = Accelerator(
        mixed_precision={"fp32": "no"}.get(config.precision, config.precision),
        cpu=config.device == "cpu",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
    found = accelerator.device.type
    if config.device not in ("auto", found):
        raise MissingError(f"The device '{config.device}' was not found; training would run on {found}: omit --device.")
    if config.precision == "fp16" and found == "cpu":  # accelerate would go on in fp32
        raise MissingError("fp16 needs a GPU, and this run is on the CPU: take --precision fp32 or bf16.")
    # `accelerate launch --cpu --num_processes 2` leaves an address to meet at, and starts one process unless MPI does.
    is_alone = accelerator.num_processes == 1 and "WORLD_SIZE" not in os.environ
    if is_alone and "MASTER_PORT" in os.environ and "ACCELERATE_USE_CPU" in os.environ:
        raise MissingError(
            "accelerate has started one process where several were asked for: on the CPU it leaves that to MPI. Take "
            "torchrun --nproc_per_node 2 -m lseg_cli train …"
        )
    return accelerator


def is_main_process() -> bool:
    """Of several processes, one speaks; known before they meet."""
    return os.environ.get("RANK", "0") == "0"


def leave_processes() -> None:
    """At the end of a command that trained: the processes would wait for each other at their exit."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
