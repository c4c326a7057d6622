"""The sizes that coded AV1 pictures announce (AV1 specification, sections 5.3 to 5.5)."""

from __future__ import annotations

from collections.abc import Iterator

from pyimgano.images.headers.base import DamagedError, UnsupportedError

_SEQUENCE = 1


def av1_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of each sequence header in the data of one picture."""
    at, found = 0, False
    while at < len(data):
        head = data[at]
        at += 2 if head & 4 else 1
        if head & 2:
            length, at = _leb128(data, at)
        else:
            length = len(data) - at
        if at + length > len(data):
            raise DamagedError("damaged or cut short")
        if head >> 3 & 15 == _SEQUENCE:
            found = True
            yield _sequence_size(_Bits(data[at : at + length]))
        at += length
    if not found:
        raise DamagedError("damaged header")


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(8):
        if at >= len(data):
            raise DamagedError("damaged or cut short")
        value |= (data[at] & 0x7F) << 7 * i
        at += 1
        if not data[at - 1] & 0x80:
            break
    return value, at


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:256], "big")
        self._left = 8 * len(data[:256])

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise DamagedError("damaged or cut short")
        return self._value >> self._left & (1 << count) - 1


def _sequence_size(bits: _Bits) -> tuple[int, int]:
    bits.take(3)  # profile
    bits.take(1)  # a still picture
    if bits.take(1):  # with the short header of one
        bits.take(5)
    else:
        if bits.take(1):
            raise UnsupportedError("an AVIF with timing information is not supported")
        delays = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delays and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1
