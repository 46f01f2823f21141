"""What `lseg eval` is asked to do. Imports nothing heavy: the command line reads its defaults first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lseg_cli.errors import LsegError

if TYPE_CHECKING:
    from lseg_cli.contract import Output

ZERO_SHOT = ("pascal5i", "coco20i", "fss1000")  # protocols of single classes against all else, by HSNet
FOLDS = 4  # of pascal5i and coco20i
PROTOCOLS = ("whole", "slide", "lseg-paper", *ZERO_SHOT)


@dataclass(frozen=True)
class EvalJob:
    """Options as the user wrote them."""

    data: str  # as `lseg_cli.data.references.parse_data` takes it
    models: tuple[str, ...] = ("lseg-tiny",)  # one, or two to compare
    masks: str | None = None  # an output folder of `lseg segment` instead of a model
    protocol: str = "whole"
    split: str = "val"
    fold: str | None = None  # '0' to '3', or 'all'
    lists: str | None = None  # a folder of split lists
    labels: str | None = None  # one for every class; None: the classes' names
    extra_labels: str | None = None  # that are no class
    without: tuple[str, ...] = ()  # classes that the model is not asked for
    unseen: tuple[str, ...] = ()  # classes whose mean IoU is reported apart
    label_map: str | None = None  # a YAML file
    templates: tuple[str, ...] = ()  # none: the model's own
    min_confidence: float = 0.0
    imgsz: str | None = None  # as of `lseg segment`
    window: int = 480  # px, of the protocol slide
    stride: int | None = None  # px; None: two thirds of the window
    device: str = "auto"
    precision: str = "fp32"
    threads: int | None = None
    batch: str = "auto"  # windows at a time; auto: 1 on the CPU, else 8

    @property
    def outputs(self) -> "tuple[Output, ...]":
        """All that the protocol asks an engine for."""
        return ("scores",) if self.protocol == "whole" else ("mask",) if self.protocol in ZERO_SHOT else ("logits",)

    def changes(self) -> dict[str, object]:
        """Options that ask for something else than a data set's classes as they are: false where not given."""
        return {
            "--labels": self.labels,
            "--extra-labels": self.extra_labels,
            "--without": self.without,
            "--label-map": self.label_map,
            "--template": self.templates,
            "--min-confidence": self.min_confidence,
            "--imgsz": self.imgsz,
        }


def refuse(given: Mapping[str, object], where: str) -> None:
    """Options that go with something else only.

    Args:
        given: their values; false where not given.
        where: what they do not go with, for the error.

    Raises:
        LsegError: one is given.
    """
    for option, value in given.items():
        if value:
            raise LsegError(f"{option} cannot be given with {where}; leave it away.")


def parse_folds(text: str | None) -> tuple[int, ...]:
    """`2` -> (2,); `all` -> (0, 1, 2, 3).

    Raises:
        LsegError: something else, or nothing.
    """
    if text == "all":
        return tuple(range(FOLDS))
    if text is None or not text.isdecimal() or int(text) >= FOLDS:
        raise LsegError(f"Say which fold with --fold: 0 to {FOLDS - 1}, or all (given: {text}).")
    return (int(text),)
