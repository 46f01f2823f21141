"""TensorRT and TensorRT for RTX: two packages with the same calls. What differs is found out by name, where it is used.

TensorRT builds on the GPU that is to run the engine. TensorRT-RTX builds anywhere, on the CPU alone, and finishes on
the GPU at run time.
"""

import importlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from lseg_cli.errors import MissingError
from lseg_engines.doctor.nvidia_driver import Gpu, find_gpus

FlavourKey = Literal["trt", "rtx"]

# What either says on a machine without a GPU, where it is no error.
_NOISE = ("cudaError 35", "Thread context has not been set")
_CAUSE = re.compile(r"Error Code \d+: [^(]*\((?P<cause>.*)\)\s*$", re.DOTALL)
_PLACE = re.compile(r"^\[[^]]*\]\s*|\.?\s+In \S+ at /\S+$")


@dataclass(frozen=True)
class Flavour:
    """One of the two.

    Attributes:
        key: as options and sidecars call it.
        title: as sentences call it.
        module: what to import.
        package: what to install.
        needs_gpu: to build; to run, both do.
    """

    key: FlavourKey
    title: str
    module: str
    package: str
    needs_gpu: bool

    def load(self) -> Any:
        """The module; its bindings carry no types that hold for every version.

        Raises:
            MissingError: it is not installed, or its libraries do not load.
        """
        try:
            return importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            raise MissingError(f"{self.title} is not installed: pip install {self.package}.") from error
        except (ImportError, OSError) as error:
            reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
            raise MissingError(
                f"{self.title} is installed and does not load ({reason}): pip install --force-reinstall {self.package}."
            ) from error


FLAVOURS: dict[FlavourKey, Flavour] = {
    "trt": Flavour("trt", "TensorRT", "tensorrt", "tensorrt", needs_gpu=True),
    "rtx": Flavour("rtx", "TensorRT-RTX", "tensorrt_rtx", "tensorrt-rtx", needs_gpu=False),
}


@dataclass(frozen=True)
class Found:
    """What this machine can do with a flavour.

    Attributes:
        title: of the flavour.
        version: '' if it does not load.
        builds: whether engines can be built here.
        runs: whether engines can be run here.
        reason: why not; '' if all is well.
    """

    title: str
    version: str
    builds: bool
    runs: bool
    reason: str


def find_flavours() -> list[Found]:
    """Both flavours and what they can do here; for `lseg doctor`."""
    return [_find(flavour, find_gpus()) for flavour in FLAVOURS.values()]


def _find(flavour: Flavour, gpus: list[Gpu]) -> Found:
    try:
        version = str(flavour.load().__version__)
    except MissingError as error:
        return Found(flavour.title, "", builds=False, runs=False, reason=str(error))
    has_gpu = bool(gpus)
    reason = "" if has_gpu else f"No NVIDIA GPU: engines cannot be {'built or ' if flavour.needs_gpu else ''}run here."
    return Found(flavour.title, version, builds=has_gpu or not flavour.needs_gpu, runs=has_gpu, reason=reason)


class Session:
    """A loaded flavour and the logger that everything made by it must share, and outlive.

    Attributes:
        flavour: which.
        trt: its module.
        log: to hand to `Builder`, `OnnxParser` and `Runtime`.
    """

    def __init__(self, flavour: Flavour) -> None:
        """Loads the flavour.

        Raises:
            MissingError: it is not installed, or its libraries do not load.
        """
        self.flavour = flavour
        self.trt = flavour.load()
        self._errors: list[str] = []
        self.log = self._make_log()

    @cached_property
    def version(self) -> str:
        """Of the module, such as '11.4.0.106'."""
        return str(self.trt.__version__)

    def last_error(self) -> str:
        """What went wrong last, without codes and source files; TensorRT gives it to its logger alone."""
        return tidy(self._errors[-1]) if self._errors else "it does not say why"

    def _make_log(self) -> Any:
        trt, errors, noise = self.trt, self._errors, () if find_gpus() else _NOISE
        bad = (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR)

        class Log(trt.ILogger):  # type: ignore[misc, name-defined]  # the class is of whichever module was loaded
            """Keeps errors; drops the rest, which is of use to TensorRT's own authors."""

            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, message: str) -> None:
                if severity in bad and not any(each in message for each in noise):
                    errors.append(message)

        return Log()


def tidy(message: str) -> str:
    """'IBuilder::x: Error Code 1: Myelin ([pass.cpp:337: f] Why. In g at /h.cpp:1)' -> 'Why'."""
    found = _CAUSE.search(message)
    return _PLACE.sub("", found["cause"] if found else message).strip().rstrip(".")
