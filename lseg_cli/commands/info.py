"""`lseg info`: what a model's file is."""

from typing import Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.console.facts import show_facts

File = Annotated[
    str, typer.Argument(metavar="FILE", help="The bundled model's name, a .safetensors, .onnx or .engine file.")
]


def info(file: File, json: options.Json = False) -> None:
    """Tell what a model's file is: architecture, text encoder, sizes, precision, where it came from.

    Example: lseg info tiny.onnx
    """
    from lseg_engines.description import describe
    from lseg_engines.opener import find_model

    show_facts(describe(find_model(file)), json)
