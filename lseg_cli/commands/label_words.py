"""`--labels` as shells hand it over: given more than once, cut at blanks, or from the environment."""

import os
from collections.abc import Sequence

import typer

from lseg_cli.errors import LsegError

_QUOTES = ("'", '"', "\u201c", "\u2018")
_OTHER = ("://", "*", "?", "[")  # of what may name pictures without being a file


def whole_variable(
    context: typer.Context, parameter: typer.CallbackParam, values: list[str] | None
) -> list[str] | None:
    """A variable such as LSEG_SEGMENT_LABELS is one text: options that can be repeated are cut at blanks there."""
    source = context.get_parameter_source(str(parameter.name))
    text = parameter.resolve_envvar_value(context) if source is not None and source.name == "ENVIRONMENT" else None
    return [text] if text else values


def joined_labels(values: Sequence[str], inputs: Sequence[str] = ()) -> str:
    """One text of all `--labels`.

    Args:
        values: of the option; several count as one with commas between.
        inputs: what was given as pictures: words of the labels are among them where quotes were forgotten.

    Raises:
        LsegError: quotes were forgotten.
    """
    text = ",".join(values)
    strays = [each for each in inputs if _is_no_input(each)]
    is_cut = text.rstrip().endswith(",") or text.startswith(_QUOTES)
    if strays and (is_cut or any(each.endswith(",") for each in strays)):
        whole = " ".join((text, *strays)).strip("".join(_QUOTES))
        raise LsegError(
            f"The labels were cut at a blank, and there is no picture {strays[0]!r}: put all of them in one pair of "
            f'quotes, as -l "{whole}".'
        )
    return text


def _is_no_input(text: str) -> bool:
    return not (text == "-" or text.startswith("@") or any(mark in text for mark in _OTHER) or os.path.lexists(text))
