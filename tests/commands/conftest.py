"""What tests of commands take from those of the engines."""

from tests.engines.conftest import make_machine

__all__ = ["make_machine"]
