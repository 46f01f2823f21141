"""`lseg info`: what a file of this tool is."""

from typing import Annotated

import typer

from lseg_cli.commands import options
from lseg_cli.console.facts import show_facts

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="The bundled model's name, a .safetensors, .onnx or .engine file, or a vocabulary."
    ),
]


def info(file: File, json: options.Json = False) -> None:
    """Describe a file: a model's architecture, text encoder, sizes, precision and origin; a vocabulary's labels.

    Example: lseg info tiny.onnx
    """
    from lseg_engines.description import describe
    from lseg_engines.opener import find_model

    show_facts(describe(find_model(file)), json)
