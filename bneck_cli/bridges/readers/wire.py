"""Protocol buffers as bytes: fields by number, each a number or a range of bytes, which is not copied."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Iterator

Field = int | memoryview
"""A number, or the bytes of a text, of a message, of packed numbers, or of a number of fixed size."""
FIXED = {1: 8, 5: 4}
"""How many bytes a number of fixed size has, by the type of its field."""


def varint(data: memoryview, place: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; return it and the place after it."""
    found = shift = 0
    while True:
        if place >= len(data):
            raise BneckError("the file is cut short, or is none of this kind")
        byte = data[place]
        place += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found & (1 << 64) - 1, place
        shift += 7
        if shift > 63:
            raise BneckError("a number of more than 64 bits, so the file is none of this kind")


def fields(data: memoryview) -> Iterator[tuple[int, Field]]:
    """Yield the fields of a message. Raises BneckError for bytes that are no message."""
    place, end = 0, len(data)
    while place < end:
        key, place = varint(data, place)
        number, kind = key >> 3, key & 7
        if not number:
            raise BneckError("a field without a number, so the file is none of this kind")
        if kind == 0:
            value, place = varint(data, place)
            yield number, value
            continue
        if kind == 2:
            size, place = varint(data, place)
        elif kind in FIXED:
            size = FIXED[kind]
        else:
            raise BneckError(f"a field of type {kind}, which there is not, so the file is none of this kind")
        if size > end - place:
            raise BneckError("the file is cut short, or is none of this kind")
        yield number, data[place : place + size]
        place += size


def signed(value: Field) -> int:
    """Return a number that may be negative."""
    if not isinstance(value, int):
        raise BneckError("a text in the place of a number, so the file is none of this kind")
    return value - (1 << 64) if value >> 63 else value


def text(value: Field) -> str:
    """Return the text of a field."""
    return bytes(message(value)).decode("utf-8", "replace")


def message(value: Field) -> memoryview:
    """Return the bytes of a field."""
    if isinstance(value, int):
        raise BneckError("a number in the place of a text, so the file is none of this kind")
    return value


def decimal(value: Field) -> float:
    """Return a decimal of four bytes."""
    raw = message(value)
    if len(raw) != FIXED[5]:
        raise BneckError("a decimal of another size, so the file is none of this kind")
    return float(struct.unpack("<f", raw)[0])


def numbers(value: Field) -> list[int]:
    """Return a number, or several that are packed."""
    if isinstance(value, int):
        return [signed(value)]
    found, place = [], 0
    while place < len(value):
        one, place = varint(value, place)
        found.append(signed(one))
    return found


def decimals(value: Field) -> list[float]:
    """Return a decimal, or several that are packed."""
    raw = message(value)
    if len(raw) % 4:
        raise BneckError("decimals of another size, so the file is none of this kind")
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))
