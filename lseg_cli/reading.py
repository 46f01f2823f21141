"""Files that other people and programs wrote -> what they hold, or one sentence on what is wrong with them.

Parsers raise what they stumble over: struct.error, KeyError, RecursionError, AssertionError, another one with every
version. None of it is a bug of this tool: it is a fact about the file, and `reading` says so in one place.
"""

import codecs
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from safetensors import safe_open

from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.files import open_regular, read_regular

MOST_YAML_BYTES = 16_000_000  # of a recipe, a description of a data set, a list of words
_MOST_MERGES, _MOST_MERGED = 100, 100_000  # of merge keys: mappings that one names, entries that all add
_MOST_REASON = 200  # characters of what a parser says
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


@contextmanager
def reading(
    path: str | os.PathLike[str], complaint: str, error: type[LsegError] = MismatchError, advice: str = ""
) -> Iterator[None]:
    """Turn whatever a parser raises in the block into the file's sentence, ``PATH COMPLAINT (REASON)ADVICE``.

    The block holds the parsing alone: a mistake of our own in it would be taken for the file's.

    Args:
        path: of the file.
        complaint: what is wrong if it cannot be parsed, such as 'is not valid JSON'.
        error: to raise.
        advice: what to do, such as '; export it again'.

    Raises:
        LsegError: as `error`; one that is raised in the block stays what it is.
    """
    try:
        yield
    except LsegError:
        raise
    except MemoryError as problem:
        raise error(f"{path} {complaint} (it does not fit into memory){advice}.") from problem
    except OSError as problem:
        if problem.strerror is None:  # not the system's: Pillow, torch and safetensors raise it for damage
            raise error(f"{path} {complaint} ({reason_of(problem)}){advice}.") from problem
        raise error(f"{path} cannot be read ({problem.strerror}).") from problem
    except Exception as problem:  # whatever it is: see the header
        raise error(f"{path} {complaint} ({reason_of(problem)}){advice}.") from problem


def reason_of(problem: BaseException) -> str:
    """What a parser says, on one line and not too long; the name of the exception where it says nothing."""
    first = getattr(problem, "errors", None)
    if callable(first):  # of pydantic: the whole of it is a page, with what was in the file
        facts = first(include_url=False, include_context=False, include_input=False)[0]
        problem = ValueError(": ".join(filter(None, (".".join(map(str, facts["loc"]))[:80], facts["msg"]))))
    text = " ".join(str(problem).split()).rstrip(".:")
    if not text or isinstance(problem, KeyError | IndexError | AssertionError):
        text = f"{type(problem).__name__}{': ' if text else ''}{text}"
    return text if len(text) <= _MOST_REASON else text[:_MOST_REASON] + "..."


def decoded(data: bytes) -> str:
    """Text in UTF-8, with or without a byte order mark, or in UTF-16 with one, as PowerShell's `>` writes it.

    Raises:
        ValueError: it is neither.
    """
    try:
        if data.startswith(_UTF_16) and not data.startswith(_UTF_32):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text; save it as UTF-8") from error


def read_text(path: str | os.PathLike[str], max_bytes: int) -> str:
    """The text of a regular file, decoded as by `decoded`.

    Raises:
        OSError: as `open_regular`.
        ValueError: it is neither UTF-8 nor UTF-16 with a byte order mark.
    """
    return decoded(read_regular(path, max_bytes))


class SafetensorsHeader(NamedTuple):
    """The header of a safetensors file.

    Attributes:
        metadata: texts by key.
        tensors: type, such as 'F32', and shape of each tensor, by name.
    """

    metadata: dict[str, str]
    tensors: dict[str, tuple[str, tuple[int, ...]]]


def read_safetensors_header(path: str | os.PathLike[str]) -> SafetensorsHeader:
    """The header of a safetensors file, without its tensors, which must be there in full.

    Raises:
        OSError: as `open_regular`.
        Exception: whatever safetensors raises for a damaged file; see `reading`.
    """
    open_regular(path).close()
    with safe_open(path, framework="np") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        tensors = {name: (str(part.get_dtype()), tuple(part.get_shape())) for name, part in slices.items()}
        return SafetensorsHeader(file.metadata() or {}, tensors)


def read_yaml(path: str | os.PathLike[str], what: str = "", complaint: str = "is not valid YAML") -> Any:
    """What a YAML file holds: a regular file of at most 16 MB, in UTF-8 or UTF-16; as `parse_yaml`.

    Args:
        path: of the file.
        what: it is, at the start of a sentence, such as 'The recipe'.
        complaint: what is wrong if it cannot be parsed.

    Raises:
        DataError: it cannot be read, or is something else.
    """
    named = f"{what} {path}".strip()
    with reading(named, complaint, DataError):
        try:
            text = read_text(path, MOST_YAML_BYTES)
        except OSError as error:
            raise DataError(f"{named} cannot be read: {error.strerror}.") from error
        return parse_yaml(text)


def parse_json(text: str | bytes) -> Any:
    """What JSON holds; numbers have at most 4,300 digits.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text)


def parse_yaml(text: str) -> Any:
    """What YAML holds. Merge keys (`<<`) are limited: a few lines of them can stand for gigabytes.

    Raises:
        ValueError: it is not YAML, or its merge keys stand for more than 100,000 entries.
        RecursionError: it is nested too deeply.
    """
    import yaml  # noqa: PLC0415  only who reads such a file waits for it

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is there

    class Loader(base):  # type: ignore[misc]  # chosen at run time
        merged = 0

        def flatten_mapping(self, node: Any) -> None:
            merges = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
            named = sum(len(each.value) if isinstance(each, yaml.SequenceNode) else 1 for each in merges)
            written = len(node.value)
            if named <= _MOST_MERGES:
                super().flatten_mapping(node)
                self.merged += max(len(node.value) - written, 0)
            if named > _MOST_MERGES or self.merged > _MOST_MERGED:
                raise ValueError("merge keys (<<) stand for too many entries; write the values out")

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
