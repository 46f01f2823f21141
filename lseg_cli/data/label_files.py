"""Files of labels, as this tool and others write them.

* text, a label a line; or CVAT's `labelmap.txt`, with colours;
* CSV or TSV with a header that names the columns: name, and perhaps id, colour or red, green, blue;
* JSON or YAML: a list of words or of {name, prompts, color, id}; or `id2label` of Hugging Face, `names` of Ultralytics,
  `classes` of lightly-train and of a dataset.yaml: a list of names, or names by id.
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lseg_cli.data.label_entries import Entry, parse_entry, shortened, split
from lseg_cli.errors import LsegError
from lseg_cli.reading import parse_json, parse_yaml, read_text, reading

SUFFIXES = (".txt", ".names", ".csv", ".tsv", ".json", ".yaml", ".yml")
MAX_BYTES = 8_000_000  # 65,535 labels with prompts and colours in JSON

_MAX_YAML_BYTES = 2_000_000  # seconds: YAML is read fifty times as slowly
_COMMENT = re.compile(r"(?:^|\s)#.*")
_LABELMAP = re.compile(r"(?P<name>[^:]+):(?P<color>\s*|\d{1,3},\s*\d{1,3},\s*\d{1,3}):[^:]*:[^:]*")
_TABLES = ("id2label", "names", "classes", "labels")  # keys of files that other tools write
_COLUMNS = {  # what columns of a CSV file are called, in any case, without '_' and blanks
    "name": ("name", "names", "label", "labels", "labelname", "class", "classes", "classname", "category", "title"),
    "id": ("id", "ids", "index", "value", "pixelvalue", "labelid", "classid", "categoryid", "trainid", "idx"),
    "color": ("color", "colour", "hex", "colorhex", "hexcolor", "rgb"),
    "red": ("r", "red"),
    "green": ("g", "green"),
    "blue": ("b", "blue"),
}
_KEYS = {each: key for key, names in _COLUMNS.items() for each in names}


def is_label_file(part: str) -> bool:
    """Return whether an entry of a label text is the name of a file, by its ending."""
    return part.lower().endswith(SUFFIXES)


def read_labels(path: Path, notices: list[str]) -> list[Entry]:
    """The labels of a file.

    Args:
        path: of the file; its ending says what it is, and text is anything else.
        notices: gets what the user should know.

    Raises:
        LsegError: the file cannot be read, or holds something else; names the place.
    """
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        raise LsegError(
            f"{path} is not a list of labels; labels come from {', '.join(SUFFIXES)} files, and a compiled vocabulary "
            "stands alone."
        )
    is_yaml = suffix in (".yaml", ".yml")
    try:
        text = read_text(path.expanduser(), _MAX_YAML_BYTES if is_yaml else MAX_BYTES)
    except (OSError, ValueError, RuntimeError) as error:  # the last: no such user in ~user
        reason = getattr(error, "strerror", None) or error
        raise LsegError(
            f"The label file '{path}' cannot be read ({reason}); give the path of an existing file."
        ) from error
    if is_yaml or suffix == ".json":
        kind = "YAML" if is_yaml else "JSON"
        with reading(path, f"is not valid {kind}", LsegError):
            return list(_from_data(path, parse_yaml(text) if is_yaml else parse_json(text)))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if suffix in (".csv", ".tsv"):
        with reading(path, "is not a table of labels", LsegError):
            return list(_from_table(path, lines))
    with reading(path, "is not a list of labels", LsegError):
        return list(_from_labelmap(lines) or _from_lines(path, lines, notices))


def _from_lines(path: Path, raw: list[str], notices: list[str]) -> Iterator[Entry]:
    lines = [_COMMENT.sub("", line).strip() for line in raw]
    for number, line in enumerate(lines, 1):
        try:
            if line.startswith("@"):
                raise LsegError(
                    f"{shortened(line)} names a further file; list both in --labels, or write \\@ for the character."
                )
            if line:
                yield parse_entry(line)
        except LsegError as error:
            raise LsegError(f"{path}, line {number}: {error}") from error
    commas = [line for line in lines if len(split(line, ",")) > 1]
    if commas:
        notices.append(f"{path} has one label per line: '{commas[0]}', with its commas, is one label.")


def _from_labelmap(raw: list[str]) -> list[Entry]:
    """CVAT's and VOC's `label:color_rgb:parts:actions`; none if some line is something else."""
    lines = [line.strip() for line in raw if line.strip() and not line.lstrip().startswith("#")]
    found = [_LABELMAP.fullmatch(line) for line in lines]
    if not lines or None in found:
        return []
    return [Entry.model_validate({"name": each["name"], **_rgb(each["color"])}) for each in found if each]


def _rgb(text: str) -> dict[str, list[int]]:
    return {"color": [int(part) for part in text.split(",")]} if text.strip() else {}


def _from_table(path: Path, lines: list[str]) -> Iterator[Entry]:
    """Rows of CSV, with any of the usual separators."""
    head = next((line for line in lines if line.strip()), "")
    separator = max("\t;,", key=head.count)
    cells = ([cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator))
    rows = [row for row in cells if any(row)]
    columns = [_KEYS.get(re.sub(r"[\s_]", "", cell.lower())) for cell in rows[0]] if rows else []
    if "name" in columns:
        rows = rows[1:]
    elif rows and len(rows[0]) == 1:
        columns = ["name"]
    elif rows and len(rows[0]) == 2 and all(len(row) == 2 and row[0].isdecimal() for row in rows):
        columns = ["id", "name"]
    else:
        raise LsegError(
            f"{path} does not say which column holds the labels; give it a first line such as id,name or name,color."
        )
    for number, row in enumerate(rows, 1):
        found = {key: cell for key, cell in zip(columns, row, strict=False) if key and cell}
        yield _entry(path, number, _fields(found))


def _fields(cells: dict[str, str]) -> dict[str, object]:
    fields: dict[str, object] = {"name": cells.get("name", "")}
    if "id" in cells:
        fields["id"] = int(cells["id"]) if cells["id"].isdecimal() and len(cells["id"]) < 10 else cells["id"]
    if "color" in cells:
        parts = re.findall(r"\d+", cells["color"])
        color = cells["color"]
        is_numbers = len(parts) == 3 and not re.search(r"[#a-fA-F]", color) and max(map(len, parts)) < 4
        fields["color"] = [int(part) for part in parts] if is_numbers else f"#{color.removeprefix('#')}"
    elif {"red", "green", "blue"} <= cells.keys() and all(cells[key].isdecimal() for key in ("red", "green", "blue")):
        fields["color"] = [int(cells[key][:4]) for key in ("red", "green", "blue")]
    return fields


def _from_data(path: Path, data: Any) -> Iterator[Entry]:
    """Return what JSON or YAML holds."""
    if isinstance(data, dict):
        key = next((key for key in _TABLES if isinstance(data.get(key), dict | list)), None)
        data = data[key] if key else data
    items: Iterable[Any] = data
    if isinstance(data, dict) and data and all(_is_number(key) for key in data):
        items = (_numbered(int(key), value) for key, value in sorted(data.items(), key=lambda item: int(item[0])))
    elif not isinstance(data, list):
        raise LsegError(
            f"{path} holds a {type(data).__name__}; it must be a list of words or of {{name, prompts, color, id}}, or "
            f"names by id, also under {', '.join(_TABLES)}."
        )
    for number, item in enumerate(items, 1):
        yield _entry(path, number, item if isinstance(item, dict) else {"name": item})


def _is_number(key: object) -> bool:
    return type(key) is int or (isinstance(key, str) and key.isdecimal() and len(key) < 10)


def _numbered(number: int, value: object) -> dict[Any, object]:
    fields = {"name": value["name"]} if isinstance(value, dict) and "name" in value else {"name": value}
    return {**fields, "id": number}


def _entry(path: Path, number: int, fields: dict[Any, object]) -> Entry:
    try:
        return Entry.model_validate(fields)
    except ValidationError as error:
        raise LsegError(f"{path}, label {number}: {_explain(error)}") from error
    except LsegError as error:
        raise LsegError(f"{path}, label {number}: {error}") from error


def _explain(error: ValidationError) -> str:
    """The first thing wrong with a label in a file, as a sentence."""
    first = error.errors(include_url=False)[0]
    key, value = first["loc"][0] if first["loc"] else "name", shortened(first["input"])
    if first["type"] == "extra_forbidden":
        return f"the key {shortened(key)} is not known; allowed are name, prompts, color and id."
    if first["type"] == "missing":
        return f"the key {key!r} is missing."
    if first["type"] == "string_type":
        return f"{key} is {value}, not text; put it in quotes."
    return f"{shortened(key)[1:-1] if isinstance(key, str) else key} is {value}: {_message(first['msg'])}."


def _message(text: str) -> str:
    return text.removeprefix("Value error, ")[:200]


def expected_path(name: str) -> Path:
    """The path that an entry of a label text stands for: commas are escaped, other backslashes are folders."""
    return Path(name.replace("\\,", ","))


def is_file(name: str) -> bool:
    """Return whether a text is the name of a file; texts of any length and content may be asked for."""
    return os.path.isfile(name)  # noqa: PTH113  Path.is_file raises for names that are too long
