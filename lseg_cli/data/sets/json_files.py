"""JSON files of data sets, as far as they are read here: a model says which keys."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lseg_cli.errors import DataError
from lseg_cli.files import read_regular

_LONGEST = 4_000_000_000  # bytes; COCO's panoptic annotations are 0.5 GB

Model = TypeVar("Model", bound=BaseModel)


def read_json(path: Path, model: type[Model], what: str) -> Model:
    """Read a file as a model of its keys; other keys are passed over.

    Args:
        path: of the file.
        model: its keys.
        what: it should be, for people.

    Raises:
        DataError: it cannot be read, or is something else; names the file and the first key that is wrong.
    """
    try:
        return model.model_validate_json(read_regular(path, _LONGEST))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise DataError(f"{path} is not {what}: its {where} cannot be used: {first['msg']}.") from error
