"""Sizes and batches as the command line writes them."""

from lseg_cli.errors import LsegError


def parse_size(text: str | None) -> int | tuple[int, int] | None:
    """`480` -> 480, the long side; `480x640` -> (480, 640), height and width; None stays None.

    Raises:
        LsegError: anything else.
    """
    if text is None:
        return None
    sides = text.lower().replace(",", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdecimal() for side in sides):
        raise LsegError(f"--imgsz {text!r} is no size; write the long side (480) or height x width (480x640).")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def parse_batch(text: str, is_on_cpu: bool, most: int | None) -> int:
    """Pictures at a time; `most`: what the engine takes.

    Raises:
        LsegError: neither a positive number nor 'auto', or more than the engine takes.
    """
    if text == "auto":
        return 1 if is_on_cpu else min(8, most or 8)
    if not text.isdecimal() or int(text) == 0:
        raise LsegError(f"--batch {text!r} is no number of pictures; write a number from 1, or auto.")
    if most is not None and int(text) > most:
        raise LsegError(f"--batch {text} is too many; this engine takes at most {most} pictures at once.")
    return int(text)
