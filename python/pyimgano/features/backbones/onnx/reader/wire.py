"""The wire format of protocol buffers, read strictly.

Other readers differ on what is not canonical: numbers spelt with more bytes than they need, tags
beyond 32 bits, fields that stand twice. Everything of that kind is refused here, so that a message
means the same to every reader.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
#: Fields read in one file: bounds the time that reading takes.
MOST_FIELDS = 2_000_000
_LONGEST_NAME, _LONGEST_TEXT = 1000, 1 << 20

Kind = Literal["int", "int32", "float", "double", "name", "text", "bytes", "skip", "refuse"]


class Malformed(Exception):
    """No protocol buffer, or a damaged one, or one that readers may understand differently."""


class Unsupported(Exception):
    """A part of the format that is not read; says which."""


@dataclass(frozen=True)
class Field:
    """One field of a message type."""

    name: str  #: Key of its value.
    #: How the value is read; a mapping of numbers to fields for a message. ``"skip"`` is for
    #: comments: their bytes are left alone. ``"refuse"`` makes the field an error.
    kind: Kind | Mapping[int, Field]
    repeated: bool = False  #: Whether it may stand more than once; its value is a list, then.
    most: int = MOST_FIELDS  #: How often, at the most.


@dataclass
class Budget:
    """Counts the fields of a file."""

    left: int = field(default=MOST_FIELDS)

    def spend(self) -> None:
        """Count one more."""
        self.left -= 1
        if self.left < 0:
            raise Unsupported(f"more than {MOST_FIELDS:,} fields")


def read_message(
    data: memoryview, schema: Mapping[int, Field], title: str, budget: Budget
) -> dict[str, Any]:
    """The fields of one message by name: absent ones are left out, repeated ones are lists.

    The schema has the fields by their numbers; the title is what errors call the message; all
    messages of a file share a budget. An unknown field, another wire type, a field twice, or a
    number that is not canonical is Malformed; a field that the schema refuses is Unsupported.
    """
    found: dict[str, Any] = {}
    for number, wire_type, value in _fields(data, budget):
        known = schema.get(number)
        if known is None:
            raise Malformed(f"{title} has an unknown field, number {number}")
        if known.kind == "refuse":
            raise Unsupported(f"{title} has {known.name}")
        if known.kind == "skip":
            continue
        where = f"{known.name!r} of {title}"
        if not known.repeated:
            if known.name in found:
                raise Malformed(f"{where} stands there twice")
            found[known.name] = _value(known.kind, wire_type, value, where, budget)
            continue
        values = found.setdefault(known.name, [])
        if known.kind in _PACKED and wire_type == BYTES:
            assert isinstance(value, memoryview)
            values.append(_packed(known.kind, value, where))
        else:
            values.append(_value(known.kind, wire_type, value, where, budget))
        if len(values) > known.most:
            raise Unsupported(f"{title} has more than {known.most:,} entries {known.name!r}")
    return found


def joined(values: list[Any], dtype: str) -> NDArray[Any]:
    """Repeated numbers, packed or one by one, as one array."""
    parts = [np.atleast_1d(np.asarray(value, dtype)) for value in values]
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


_PACKED = ("int", "int32", "float", "double")
_WIRE_TYPES = {"int": VARINT, "int32": VARINT, "float": FIXED32, "double": FIXED64}


def _value(
    kind: Kind | Mapping[int, Field],
    wire_type: int,
    value: int | memoryview,
    where: str,
    budget: Budget,
) -> Any:
    expected = BYTES if isinstance(kind, Mapping) else _WIRE_TYPES.get(kind, BYTES)
    if wire_type != expected:
        raise Malformed(f"{where} has wire type {wire_type}, not {expected}")
    if isinstance(value, int):
        signed = value - (1 << 64) if value >> 63 else value
        if kind == "int32" and not -(1 << 31) <= signed < 1 << 31:
            raise Malformed(f"{where} is {signed}, beyond 32 bits")
        return signed
    if isinstance(kind, Mapping):
        return read_message(value, kind, where, budget)
    if kind == "float":
        return float(struct.unpack("<f", value)[0])
    if kind == "double":
        return float(struct.unpack("<d", value)[0])
    if kind == "bytes":
        return value
    return _text(value, where, _LONGEST_NAME if kind == "name" else _LONGEST_TEXT)


def _text(value: memoryview, where: str, longest: int) -> str:
    if len(value) > longest:
        raise Unsupported(f"{where} has {len(value):,} bytes; at most {longest:,} are read")
    try:
        text = bytes(value).decode()
    except UnicodeDecodeError:
        raise Malformed(f"{where} is not UTF-8") from None
    if longest == _LONGEST_NAME and not text.isprintable():
        raise Malformed(f"{where} has characters that cannot be printed")
    return text


def _packed(kind: Any, value: memoryview, where: str) -> NDArray[Any]:
    if kind in ("float", "double"):
        size = 4 if kind == "float" else 8
        if len(value) % size:
            raise Malformed(f"{where} ends within a number")
        return np.frombuffer(value, f"<f{size}")
    numbers = _varints(np.frombuffer(value, np.uint8), where).view(np.int64)
    if kind == "int32" and len(numbers) and not _fits_32(numbers):
        raise Malformed(f"{where} has numbers beyond 32 bits")
    return numbers


def _fits_32(numbers: NDArray[np.int64]) -> bool:
    return bool(numbers.min() >= -(1 << 31) and numbers.max() < 1 << 31)


def _varints(data: NDArray[np.uint8], where: str) -> NDArray[np.uint64]:
    """All numbers of a packed field at once, for there may be millions."""
    ends = np.flatnonzero(data < 0x80)
    if len(data) and (not len(ends) or ends[-1] != len(data) - 1):
        raise Malformed(f"{where} ends within a number")
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: len(ends)]
    lengths = ends - starts + 1
    last = data[ends]
    if np.any(lengths > 10) or np.any((lengths == 10) & (last > 1)):
        raise Malformed(f"{where} has a number of more than 64 bits")
    if np.any((lengths > 1) & (last == 0)):
        raise Malformed(f"{where} has a number of more bytes than it needs")
    values = np.zeros(len(ends), np.uint64)
    for step in range(int(lengths.max(initial=0))):
        longer = lengths > step
        part = (data[starts[longer] + step] & 0x7F).astype(np.uint64)
        values[longer] |= part << np.uint64(7 * step)
    return values


def _fields(data: memoryview, budget: Budget) -> Iterator[tuple[int, int, int | memoryview]]:
    """Number, wire type and value of each field."""
    at = 0
    while at < len(data):
        budget.spend()
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if tag >> 32 or number == 0:
            raise Malformed(f"a tag of {tag:#x}")
        if wire_type == VARINT:
            value, at = _varint(data, at)
            yield number, wire_type, value
            continue
        if wire_type == BYTES:
            length, at = _varint(data, at)
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise Malformed(f"wire type {wire_type}")
        if length > len(data) - at:
            raise Malformed("it ends too early")
        yield number, wire_type, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("it ends too early")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise Malformed("a number of more bytes than it needs")
            if value >> 64:
                break
            return value, at
    raise Malformed("a number of more than 64 bits")


def write_varint(value: int) -> bytes:
    """A number; negative ones as 64-bit two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_int(number: int, value: int) -> bytes:
    """A field that holds a number."""
    return write_varint(number << 3 | VARINT) + write_varint(value)


def write_float(number: int, value: float) -> bytes:
    """A field that holds a float32."""
    return write_varint(number << 3 | FIXED32) + struct.pack("<f", value)


def write_bytes(number: int, *content: bytes | memoryview) -> list[bytes | memoryview]:
    """A field that holds text, bytes or a message, in parts: large ones are not copied."""
    length = sum(len(part) for part in content)
    return [write_varint(number << 3 | BYTES) + write_varint(length), *content]


def write_text(number: int, text: str) -> bytes:
    """A field that holds text."""
    return b"".join(write_bytes(number, text.encode()))
