"""An ONNX file as protobuf lays it out, read where it lies: what it says of itself, and which node makes what.

The package onnx would read every weight for that, takes longer to import than a picture to segment, and is not part of
an installation that only runs models. Of the format's 200 fields some twenty are needed here, and they never change
their numbers (onnx.proto: "field numbers are never reused").
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how a field's value is written
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}


class Field(NamedTuple):
    """A field of a message.

    Attributes:
        number: which one.
        value: a number, or the bytes of a string or of another message.
        whole: all bytes of the field, to be copied.
    """

    number: int
    value: int | memoryview
    whole: memoryview

    @property
    def content(self) -> memoryview:
        """The bytes; raises ValueError if it is a number."""
        if isinstance(self.value, int):
            raise ValueError(f"Field {self.number} holds a number.")
        return self.value

    @property
    def text(self) -> str:
        """The string; raises ValueError if it is none."""
        return str(self.content, "utf-8")


Message = memoryview | Sequence[Field]  # its bytes, or its fields where they are looked at several times


def fields(message: Message) -> Iterator[Field]:
    """The fields of a message in the order of the file.

    Raises:
        ValueError: it is not a complete message.
    """
    if not isinstance(message, memoryview):
        yield from message
        return
    offset, end = 0, len(message)
    while offset < end:
        start = offset
        key, offset = _varint(message, offset)
        kind = key & 7
        if kind == _VARINT:
            number, offset = _varint(message, offset)
            yield Field(key >> 3, number, message[start:offset])
            continue
        if kind == _BYTES:
            length, offset = _varint(message, offset)
        elif kind in _WIDTHS:
            length = _WIDTHS[kind]
        else:
            raise ValueError(f"There is no kind {kind} of field.")
        if key < 8 or offset + length > end:
            raise ValueError("A field goes beyond its message.")
        yield Field(key >> 3, message[offset : offset + length], message[start : offset + length])
        offset += length


def parsed(message: memoryview) -> list[Field]:
    """All fields of a message, to be looked at several times; raises as `fields`."""
    return list(fields(message))


def find(message: Message, number: int) -> Iterator[Field]:
    """The fields of one number."""
    return (field for field in fields(message) if field.number == number)


def strings(message: Message, number: int) -> list[str]:
    """The strings of one number."""
    return [field.text for field in fields(message) if field.number == number]


def string(message: Message, number: int) -> str:
    """The string of a number; '' if it is not there."""
    return next((field.text for field in fields(message) if field.number == number), "")


def numbers(message: Message, number: int) -> list[int]:
    """Integers of one number, whether they are written together or one by one."""
    found: list[int] = []
    for field in find(message, number):
        if isinstance(field.value, int):
            found.append(field.value)
            continue
        offset = 0
        while offset < len(field.value):
            value, offset = _varint(field.value, offset)
            found.append(value)
    return found


def message(number: int, *parts: bytes | memoryview) -> list[bytes | memoryview]:
    """A field that holds a message or a string, in parts to be joined."""
    return [_to_varint(number << 3 | _BYTES), _to_varint(sum(map(len, parts))), *parts]


def text(number: int, value: str) -> bytes:
    """A field that holds a string."""
    return b"".join(message(number, value.encode()))


def integer(number: int, value: int) -> bytes:
    """A field that holds a number of 0 or more."""
    return _to_varint(number << 3 | _VARINT) + _to_varint(value)


def _varint(data: memoryview, offset: int) -> tuple[int, int]:
    """A number and where it ends; seven bits a byte, the lowest first."""
    if offset < len(data) and (value := data[offset]) < 0x80:  # nearly all
        return value, offset + 1
    value = shift = 0
    while True:
        if offset >= len(data) or shift > 63:
            raise ValueError("A number has no end.")
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7


def _to_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
