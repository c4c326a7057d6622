"""What every header gives, and the errors of those that do not."""

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO


class HeaderError(Exception):
    """A file that is not read; the text is the reason."""


class DamagedError(HeaderError):
    """It breaks the rules of its format."""


class UnsupportedError(HeaderError):
    """It is healthy as far as can be told, but of a kind that is not read."""


@dataclass(frozen=True)
class Header:
    """The header of an image file."""

    kind: str  #: Name of the format.
    width: int  #: Of the stored pixels, as the height.
    height: int
    turned: bool = False  #: Width and height change places when the picture is shown upright.
    #: 1 for a grey picture, with or without alpha; None if the decoder knows best.
    channels: int | None = None
    #: Largest value of a channel; None: 255 or 65535, as the decoder's type is.
    white: int | None = None
    pages: int = 1  #: Pages, frames or pictures.
    lossy: bool = False  #: The format may have changed values.
    inverted: bool = False  #: Zero is white, which the decoder does not mind.
    #: Quarter turns (-3 to 3, anticlockwise) and flips (``"h"``, ``"v"``) that are left to do.
    turns: tuple[int | str, ...] = ()
    #: Bytes to put in place, by offset, so that the decoder leaves colours as they are.
    patches: tuple[tuple[int, bytes], ...] = ()
    least_bytes: int = 0  #: So long the file must be.
    #: The picture is read only if its alpha is opaque: colours are multiplied by it.
    opaque: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture shown upright."""
        return (self.width, self.height) if self.turned else (self.height, self.width)


class Source:
    """Parts of a file, each there as a whole or an error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.length = file.seek(0, 2)

    def get(self, at: int, count: int) -> bytes:
        """``count`` bytes from ``at`` on."""
        if at < 0 or count < 0 or at + count > self.length:
            raise DamagedError("damaged or cut short")
        self._file.seek(at)
        data = self._file.read(count)
        if len(data) != count:
            raise DamagedError("damaged or cut short")
        return data

    def begins(self, count: int) -> bytes:
        """The first bytes, at most ``count``."""
        return self.get(0, min(count, self.length))

    def unpack(self, form: str, at: int) -> tuple[Any, ...]:
        """Numbers from ``at`` on."""
        return struct.unpack(form, self.get(at, struct.calcsize(form)))


def exif_orientation(data: bytes) -> int:
    """The orientation (1 to 8) that a block of EXIF data tells; 1 if it tells none."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return 1
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        return 1
    (count,) = struct.unpack_from(order + "H", data, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(data) - 11), 12):
        tag, kind, number, value = struct.unpack_from(order + "HHIH", data, at)
        if (tag, kind, number) == (0x0112, 3, 1):
            return value if 1 <= value <= 8 else 1
    return 1
