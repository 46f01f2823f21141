"""Groups of options as one parameter: a command takes a frozen dataclass, and Typer sees its fields as options."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with each parameter that is a dataclass replaced by the dataclass's fields.

    Typer makes an option of every parameter, so that what several commands share would stand in each of them.

    Args:
        command: whose groups have annotated fields with defaults.
    """
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            of_fields = get_type_hints(hints[name], include_extras=True)
            found = inspect.signature(hints[name]).parameters
            parameters += [each.replace(annotation=of_fields[field]) for field, each in found.items()]
        else:
            parameters.append(parameter.replace(annotation=hints[name]))

    @wraps(command)
    def spread(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    spread.__dict__["__signature__"] = inspect.Signature(keyword_only)
    spread.__annotations__ = {each.name: each.annotation for each in keyword_only}
    return spread
