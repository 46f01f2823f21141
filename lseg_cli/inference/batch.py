"""How many pictures an engine gets at once."""

from lseg_cli.errors import LsegError

_MOST = 8  # on a device with memory of its own; more gain little there


def choose_batch(batch: int | None, is_on_cpu: bool, most: int | None) -> int:
    """Return how many pictures of one shape an engine is given at once.

    Args:
        batch: as asked for; None: 1 on the CPU, else 8 or what the engine takes.
        is_on_cpu: whether the engine runs there.
        most: what the engine takes; None: any number.

    Raises:
        LsegError: more than the engine takes.
    """
    if batch is None:
        return 1 if is_on_cpu else min(_MOST, most or _MOST)
    if most is not None and batch > most:
        raise LsegError(f"--batch {batch} is too many; this engine takes at most {most} pictures at once.")
    return batch
