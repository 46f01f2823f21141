"""What `lseg export` and `lseg build` are asked to do beyond the graph and the engine. Imports next to nothing."""

from collections.abc import Mapping
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
        requires_text_encoder: the export fails where the tower's weights cannot be had; else that is a note.
        triton: a model repository of Triton to put it into.
        keeps_onnx: an engine's ONNX file is left beside it.
    """

    has_text_encoder: bool = False
    requires_text_encoder: bool = False
    triton: Path | None = None
    keeps_onnx: bool = False


def check_name(target: Path, suffix: str) -> None:
    """Require a file's name to end as its kind does.

    Raises:
        LsegError: it does not.
    """
    if target.suffix.lower() != suffix:
        raise LsegError(f"The file to write is {target}; its name must end with {suffix}.")


def check_calibration(precision: str, calibrate: str | None) -> None:
    """Require pictures for int8, and only for it.

    Raises:
        LsegError: one without the other.
    """
    if (precision == "int8") != bool(calibrate):
        raise LsegError(
            "--precision int8 and --calibrate DIR belong together: int8 needs pictures to measure ranges on."
        )


def check_flags(is_engine: bool, of_engines: Mapping[str, object], of_graphs: Mapping[str, object]) -> None:
    """Require options to be of the kind of file that is written.

    Args:
        is_engine: a TensorRT engine is written; else an ONNX file.
        of_engines: options that are for engines alone, with their values; what counts as false was not given.
        of_graphs: likewise for ONNX files.

    Raises:
        LsegError: one that is for the other kind.
    """
    wrong = [flag for flag, value in (of_graphs if is_engine else of_engines).items() if value]
    if wrong:
        fits = "for .onnx files; omit it here" if is_engine else "for TensorRT engines; give --trt or --rtx with it"
        raise LsegError(f"{wrong[0]} is {fits}.")
