"""What `lseg eval` is asked to do. Imports nothing heavy: the command line reads its defaults first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError

if TYPE_CHECKING:
    from lseg_cli.contract import Output

ZERO_SHOT: tuple["Protocol", ...] = (
    "pascal5i",
    "coco20i",
    "fss1000",
)  # protocols of single classes against all else, by HSNet
FOLDS = 4  # of pascal5i and coco20i
Protocol = Literal["whole", "slide", "lseg-paper", "pascal5i", "coco20i", "fss1000"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


@dataclass(frozen=True)
class EvalOptions:
    """What is measured, and how."""

    data: str  # as `lseg_cli.data.references.parse_data` takes it
    engines: tuple[EngineChoice, ...] = (EngineChoice(),)  # one, or two to compare
    masks: str | None = None  # an output folder of `lseg segment` instead of a model
    protocol: Protocol = "whole"
    split: str = "val"
    folds: tuple[int, ...] = ()  # of pascal5i and coco20i
    lists: str | None = None  # a folder of split lists
    labels: str | None = None  # one for every class; None: the classes' names
    extra_labels: str | None = None  # that are no class
    without: tuple[str, ...] = ()  # classes that the model is not asked for
    unseen: tuple[str, ...] = ()  # classes whose mean IoU is reported apart
    label_map: str | None = None  # a YAML file
    templates: tuple[str, ...] = ()  # none: the model's own
    min_confidence: float = 0.0
    imgsz: int | tuple[int, int] | None = (
        None  # long side of the network's input, or its height and width; None: the model's
    )
    window: int = 480  # px, of the protocol slide
    stride: int | None = None  # px; None: two thirds of the window
    batch: int | None = None  # windows at a time; None: 1 on the CPU, else 8

    @property
    def outputs(self) -> "tuple[Output, ...]":
        """The outputs that the protocol asks an engine for."""
        return ("scores",) if self.protocol == "whole" else ("mask",) if self.protocol in ZERO_SHOT else ("logits",)

    def changes(self) -> dict[str, object]:
        """Return the options that change what is asked for from the data set's own classes; false where not given."""
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
    """Refuse options that something else excludes.

    Args:
        given: their values; false where not given.
        where: what excludes them, for the error.

    Raises:
        LsegError: one is given.
    """
    for option, value in given.items():
        if value:
            raise LsegError(f"{option} cannot be combined with {where}; omit it.")
