"""Values of options, each made of its text once, at the border: `parser=` of Typer's options.

A parser takes the option's text, or its default, which is a value already. What is wrong is an LsegError: one sentence.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lseg_cli.data.frame_pick import FramePick
from lseg_cli.engine_choice import DEVICE_KINDS
from lseg_cli.errors import LsegError
from lseg_cli.evaluation.options import FOLDS  # noqa: TID253  imports nothing
from lseg_cli.model.text.encoder_name import EncoderName  # noqa: TID253  imports nothing
from lseg_cli.runs.failure_limit import FailureLimit  # noqa: TID253  imports nothing
from lseg_cli.runs.shard import Shard  # noqa: TID253  imports nothing
from lseg_cli.training.options import TRAINING_DEVICES  # noqa: TID253  imports nothing

AUTO = "auto"

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}

T = TypeVar("T")


def parse_size(text: str | int | tuple[int, int]) -> int | tuple[int, int]:
    """`480` -> 480, the long side in pixels; `480x640` -> (480, 640), height and width.

    Raises:
        LsegError: the text is not a size.
    """
    if not isinstance(text, str):
        return text
    sides = text.lower().replace(",", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdecimal() and int(side) for side in sides):
        raise LsegError(
            f"--imgsz {text!r} is not a valid size; give the long side (480) or height x width (480x640) in pixels."
        )
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def parse_fixed_size(text: str | int | tuple[int, int]) -> tuple[int, int]:
    """`480` -> (480, 480); `480x640` -> (480, 640), height and width.

    Raises:
        LsegError: the text is not a size.
    """
    size = parse_size(text)
    return (size, size) if isinstance(size, int) else size


def parse_batch(text: str | int) -> int | None:
    """`8` -> 8; `auto` -> None, which leaves the batch size to the device.

    Raises:
        LsegError: neither a positive number nor 'auto'.
    """
    if text == AUTO:
        return None
    if not str(text).isdecimal() or not int(text):
        raise LsegError(f"--batch {text!r} is not a valid batch size; give a number from 1, or auto.")
    return int(text)


def parse_shard(text: str | Shard) -> Shard:
    """`2/4` -> (2, 4), the second of four.

    Raises:
        LsegError: the text is not a share.
    """
    if isinstance(text, Shard):
        return text
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise LsegError(f"--shard {text!r} is not a valid share; give i/n, such as 2/4 for the second of four.")
    return Shard(int(first), int(second))


def parse_bands(text: str | tuple[int, ...]) -> tuple[int, ...]:
    """`4,3,2` -> (4, 3, 2), numbers of bands from 1: one, or three.

    Raises:
        LsegError: the text is not such.
    """
    if not isinstance(text, str):
        return text
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(part.strip().isdecimal() and int(part) for part in parts):
        raise LsegError(f"--bands {text!r} is not valid; give one band or red, green and blue, from 1, such as 4,3,2.")
    return tuple(map(int, parts))


def parse_range(text: str | tuple[float, float]) -> tuple[float, float]:
    """`0,3000` -> (0.0, 3000.0), what becomes black and white.

    Raises:
        LsegError: the text is not two numbers that rise.
    """
    if not isinstance(text, str):
        return text
    low, _, high = text.partition(",")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (0.0, 0.0)
    if not -float("inf") < found[0] < found[1] < float("inf"):
        raise LsegError(f"--range {text!r} is not valid; give the values that are black and white, such as 0,3000.")
    return found


def parse_pixels(text: str | float) -> float:
    """`512M` or `512000000` -> 512.0, in megapixels; a number is in megapixels already.

    Raises:
        LsegError: the text is not a positive number, or its unit is unknown.
    """
    if not isinstance(text, str):
        return text
    number, unit = (text[:-1], text[-1:].lower()) if text[-1:].isalpha() else (text, "")
    try:
        megapixels = float(number) * _UNITS[unit] / 1e6
    except (ValueError, KeyError):
        megapixels = 0.0
    if not 0 < megapixels < float("inf"):
        raise LsegError(f"--max-pixels {text!r} is not a valid number of pixels; give one such as 512M or 400000000.")
    return megapixels


def parse_time(text: str | float) -> float:
    """`90.5`, `1:30.5` or `0:01:30.5` -> 90.5 seconds.

    Raises:
        LsegError: the text is not a time.
    """
    if not isinstance(text, str):
        return text
    parts = text.strip().split(":")
    try:
        *before, seconds = [float(part) for part in parts]
        is_time = len(parts) <= 3 and all(part >= 0 for part in (*before, seconds)) and (not before or seconds < 60)
    except ValueError:
        is_time = False
    if not is_time or not all(part.isdecimal() for part in parts[:-1]) or not seconds < float("inf"):
        raise LsegError(f"{text!r} is not a valid time of a film; give seconds (90.5), or 1:30.5, or 0:01:30.5.")
    return seconds + sum(float(60**power) * part for power, part in enumerate(reversed(before), 1))


def picked(fps: float | None, every: int | None, start: float, end: float | None) -> FramePick:
    """The frames of films that these options ask for.

    Raises:
        LsegError: two of them do not go together.
    """
    if fps is not None and every is not None:
        raise LsegError("--fps and --every both say which frames are taken; give one of them.")
    if end is not None and end <= start:
        raise LsegError(f"--end {end:g} is not after --start {start:g}.")
    return FramePick(fps, every, start, end)


def parse_failures(text: str | FailureLimit) -> FailureLimit:
    """`5` -> at most five pictures; `2%` -> at most a fiftieth of them.

    Raises:
        LsegError: the text is neither a count nor a share.
    """
    if isinstance(text, FailureLimit):
        return text
    number, is_share = text.removesuffix("%"), text.endswith("%")
    try:
        limit = FailureLimit(percent=float(number)) if is_share else FailureLimit(count=int(number))
    except ValueError:
        limit = FailureLimit(count=-1)
    if not (0 <= (limit.percent or 0.0) <= 100 and (limit.count or 0) >= 0):
        raise LsegError(f"--max-failures {text!r} is not a valid limit; give a count (5) or a share (2%).")
    return limit


def parse_device(text: str) -> str:
    """`cuda:1` -> itself: a kind of device, and with a colon which of several.

    Whether the device is there is found out by the engine that is to use it.

    Raises:
        LsegError: the kind is unknown, or the number is not a number.
    """
    kind, colon, index = text.partition(":")
    if kind not in DEVICE_KINDS or (colon and (kind in (AUTO, "cpu", "mps") or not index.isdecimal())):
        raise LsegError(
            f"--device {text!r} is not a valid device; give one of {', '.join(DEVICE_KINDS)}, or one of several as "
            "cuda:1."
        )
    return text


def parse_training_device(text: str) -> str:
    """`cuda` -> itself: a kind of device alone, for the launcher chooses which of several.

    Raises:
        LsegError: the kind is unknown, or it has a number.
    """
    if text not in TRAINING_DEVICES:
        raise LsegError(
            f"--device {text!r} cannot be trained on; give one of {', '.join(TRAINING_DEVICES)}. Of several GPUs "
            "CUDA_VISIBLE_DEVICES chooses, and torchrun takes all."
        )
    return text


def parse_text_encoder(text: str | EncoderName) -> EncoderName:
    """`ViT-B-32-quickgelu/openai` -> its name and its weights; raises as `EncoderName.parse`."""
    return text if isinstance(text, EncoderName) else EncoderName.parse(text)


def parse_counts(text: str | tuple[int, ...]) -> tuple[int, ...]:
    """`150,1,8` -> (1, 8, 150), each once.

    Raises:
        LsegError: the text is not a list of positive numbers.
    """
    if not isinstance(text, str):
        return text
    parts = split([text])
    if not parts or not all(part.isdecimal() and int(part) for part in parts):
        raise LsegError(f"--sweep-labels {text!r} is not a list of counts; give one such as 1,8,32,150.")
    return tuple(sorted({int(part) for part in parts}))


def parse_folds(text: str | tuple[int, ...]) -> tuple[int, ...]:
    """`2` -> (2,); `all` -> (0, 1, 2, 3).

    Raises:
        LsegError: the text is not a fold.
    """
    if not isinstance(text, str):
        return text
    if text == "all":
        return tuple(range(FOLDS))
    if not text.isdecimal() or int(text) >= FOLDS:
        raise LsegError(f"--fold {text!r} is not a valid fold; give 0 to {FOLDS - 1}, or all.")
    return (int(text),)


def parse_sm(text: str | tuple[int, ...]) -> tuple[int, ...]:
    """`75,86` or `7.5,sm_86` -> (75, 86), compute capabilities, each once.

    Raises:
        LsegError: the text names no compute capabilities.
    """
    if not isinstance(text, str):
        return text
    parts = [part.strip().lower().removeprefix("sm").lstrip("_").replace(".", "") for part in text.split(",")]
    if not all(part.isdecimal() for part in parts if part):
        raise LsegError(f"--sm {text!r} is not a list of compute capabilities; give one such as 75,86,89.")
    return tuple(dict.fromkeys(int(part) for part in parts if part))


def parse_kinds(option: str, known: Sequence[T]) -> Callable[[Any], tuple[T, ...]]:
    """Return a parser of one value of an option that takes several: `overlay,conf` -> ('overlay', 'conf').

    Args:
        option: its name, for the error.
        known: the kinds that there are.
    """

    def parse(text: str | tuple[T, ...]) -> tuple[T, ...]:
        parts = split([text]) if isinstance(text, str) else text
        unknown = [part for part in parts if part not in known]
        if unknown:
            raise LsegError(f"{option} {unknown[0]} is not known; choose from {', '.join(map(str, known))}.")
        return tuple(kind for part in parts for kind in known if kind == part)

    parse.__name__ = option.strip("-")  # Typer shows it where an option has no metavar
    return parse


def joined(values: Sequence[tuple[T, ...]] | None) -> tuple[T, ...]:
    """Return the kinds of an option's values, each once: `[('a', 'b'), ('b',)]` -> ('a', 'b')."""
    return tuple(dict.fromkeys(kind for kinds in values or () for kind in kinds))


def split(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the parts of texts with commas: `['a,b', 'c']` -> ('a', 'b', 'c')."""
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())
