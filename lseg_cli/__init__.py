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
    from lseg_cli.errors import DataError as DataError
    from lseg_cli.errors import LsegError as LsegError
    from lseg_cli.errors import LsegWarning as LsegWarning
    from lseg_cli.errors import MismatchError as MismatchError
    from lseg_cli.errors import MissingError as MissingError
    from lseg_cli.errors import VerificationError as VerificationError

_HOME = {
    "Embedding": "lseg_cli.api.embedding",
    "Labels": "lseg_cli.api.labels",
    "Model": "lseg_cli.api.model",
    "Picture": "lseg_cli.api.pictures",
    "Result": "lseg_cli.api.result",
    "load": "lseg_cli.api.model",
    "DataError": "lseg_cli.errors",
    "LsegError": "lseg_cli.errors",
    "LsegWarning": "lseg_cli.errors",
    "MismatchError": "lseg_cli.errors",
    "MissingError": "lseg_cli.errors",
    "VerificationError": "lseg_cli.errors",
}

__all__ = [
    "DataError",
    "Embedding",
    "Labels",
    "LsegError",
    "LsegWarning",
    "MismatchError",
    "MissingError",
    "Model",
    "Picture",
    "Result",
    "VerificationError",
    "__version__",
    "load",
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
