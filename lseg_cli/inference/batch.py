"""How many pictures an engine gets at once."""

from lseg_cli.errors import LsegError

_OF_A_DEVICE = 8


def choose_batch(asked: int | None, is_on_cpu: bool, most: int | None) -> int:
    """Pictures at a time.

    Args:
        asked: by the user; None: 1 on the CPU, else 8.
        is_on_cpu: the engine runs there.
        most: what the engine takes; None: any number.

    Raises:
        LsegError: more than the engine takes.
    """
    if asked is None:
        return 1 if is_on_cpu else min(_OF_A_DEVICE, most or _OF_A_DEVICE)
    if most is not None and asked > most:
        raise LsegError(f"--batch {asked} is too many; this engine takes at most {most} pictures at once.")
    return asked
