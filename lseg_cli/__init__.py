"""LSeg: language-driven semantic segmentation (Li et al., ICLR 2022) as a command line and a Python library.

    import lseg_cli as lseg

    result = lseg.load().segment("photo.jpg", "sky, road, other")
    result.overlay().save("overlay.jpg")

The names in `__all__` are what is promised; every other module is private and may change with any version. Importing
this package loads nothing heavy: each name is loaded when it is first used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from lseg_cli.api.embedding import Embedding as Embedding
    from lseg_cli.api.labels import Labels as Labels
    from lseg_cli.api.model import Model as Model
    from lseg_cli.api.model import load as load
    from lseg_cli.api.pictures import Picture as Picture
    from lseg_cli.api.result import Result as Result
    from lseg_cli.api.tasks import ExportOptions as ExportOptions
    from lseg_cli.api.tasks import Trained as Trained
    from lseg_cli.api.tasks import evaluate as evaluate
    from lseg_cli.api.tasks import export as export
    from lseg_cli.api.tasks import train as train
    from lseg_cli.engine_choice import EngineChoice as EngineChoice
    from lseg_cli.errors import DataError as DataError
    from lseg_cli.errors import LsegError as LsegError
    from lseg_cli.errors import LsegWarning as LsegWarning
    from lseg_cli.errors import MismatchError as MismatchError
    from lseg_cli.errors import MissingError as MissingError
    from lseg_cli.errors import VerificationError as VerificationError
    from lseg_cli.evaluation.options import EvalOptions as EvalOptions
    from lseg_cli.training.options import TrainOptions as TrainOptions

_HOME = {
    "DataError": "lseg_cli.errors",
    "Embedding": "lseg_cli.api.embedding",
    "EngineChoice": "lseg_cli.engine_choice",
    "EvalOptions": "lseg_cli.evaluation.options",
    "ExportOptions": "lseg_cli.api.tasks",
    "Labels": "lseg_cli.api.labels",
    "LsegError": "lseg_cli.errors",
    "LsegWarning": "lseg_cli.errors",
    "MismatchError": "lseg_cli.errors",
    "MissingError": "lseg_cli.errors",
    "Model": "lseg_cli.api.model",
    "Picture": "lseg_cli.api.pictures",
    "Result": "lseg_cli.api.result",
    "TrainOptions": "lseg_cli.training.options",
    "Trained": "lseg_cli.api.tasks",
    "VerificationError": "lseg_cli.errors",
    "evaluate": "lseg_cli.api.tasks",
    "export": "lseg_cli.api.tasks",
    "load": "lseg_cli.api.model",
    "train": "lseg_cli.api.tasks",
}

__all__ = [
    "DataError",
    "Embedding",
    "EngineChoice",
    "EvalOptions",
    "ExportOptions",
    "Labels",
    "LsegError",
    "LsegWarning",
    "MismatchError",
    "MissingError",
    "Model",
    "Picture",
    "Result",
    "TrainOptions",
    "Trained",
    "VerificationError",
    "__version__",
    "evaluate",
    "export",
    "load",
    "train",
]

if not TYPE_CHECKING:  # else type checkers would take any name for promised

    def __getattr__(name: str) -> object:
        """Load a promised name when it is first used."""
        if name not in _HOME:
            raise AttributeError(f"module 'lseg_cli' has no attribute {name!r}")
        value: object = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """List what is promised."""
        return list(__all__)
