"""What `lseg export` and `lseg build` are asked to do beyond the graph and the engine. Imports next to nothing."""

from dataclasses import dataclass
from pathlib import Path

from lseg_cli.errors import LsegError


@dataclass(frozen=True)
class Verification:
    """How an exported file is compared with its source.

    Attributes:
        is_wanted: false: it is not compared.
        pictures: where to find some to compare on; None: made ones.
        threads: of the CPU; None: all cores.
    """

    is_wanted: bool = True
    pictures: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Companions:
    """What is written together with a graph.

    Attributes:
        has_text_encoder: the model's text tower as a second ONNX file.
        triton: a model repository of Triton to put it into.
    """

    has_text_encoder: bool = False
    triton: Path | None = None


def check_name(target: Path, suffix: str) -> None:
    """Require a file's name to end as its kind does.

    Raises:
        LsegError: it does not.
    """
    if target.suffix.lower() != suffix:
        raise LsegError(f"The file to write is {target}; its name must end with {suffix}.")
